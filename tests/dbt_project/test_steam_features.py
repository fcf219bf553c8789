"""The feature marts of Steam: no figure of a row knows its own label, or that of a player who is held out."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from tests.compiled_models import CompiledModels, read_frame

Rows = dict[tuple[str, ...], dict]
PLAY, CHURN = "feat_game_play", "feat_player_churn"
KEYS = {PLAY: ("player_id", "game_id"), CHURN: ("player_id",)}


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def is_in_first_half(game: str) -> bool:
    return md5(game)[0] < "8"


@pytest.fixture(scope="module")
def build(built_warehouse: Path) -> Callable[[pl.DataFrame, str], Rows]:
    """A feature mart of an ownership log."""
    models = CompiledModels(built_warehouse.parent / "dbt" / "manifest.json")

    def of(ownership: pl.DataFrame, mart: str) -> Rows:
        with duckdb.connect() as connection:
            models.provide(connection, "fct_game_ownership", ownership)
            models.build(connection, mart)
            rows = read_frame(connection, f"from {models.relation(mart)}").to_dicts()
        return {tuple(row[column] for column in KEYS[mart]): row for row in rows}

    return of


def with_play(ownership: pl.DataFrame, hours: pl.Expr) -> pl.DataFrame:
    """The same purchases, played for other hours; 0 means never."""
    changed = ownership.with_columns(hours=hours)
    return changed.with_columns(is_played=pl.col("hours") > 0, is_purchased_not_played=pl.col("hours") == 0)


@pytest.fixture(scope="module")
def ownership() -> pl.DataFrame:
    """300 players with 1 to 12 of 20 games each; two players bought nothing in one of the halves."""
    random = np.random.default_rng(6)
    rows = [
        (f"p{player}", f"g{game}")
        for player in range(300)
        for game in random.permutation(20)[: int(random.integers(1, 13))]
    ]
    frame = pl.DataFrame(rows, schema=["player_id", "game_id"], orient="row").with_columns(
        is_purchased=pl.lit(True),
        play_rows_count=pl.lit(1),
        hours=pl.Series(np.round(random.exponential(20, len(rows)), 1) * (random.random(len(rows)) < 0.6)),
    )
    return with_play(frame, pl.col("hours"))


def split_of(player: str) -> str:
    share = int(md5(player)[:8], 16) / 2**32
    return "train" if share < 0.6 else "validation" if share < 0.8 else "test"


def differing(one: Rows, other: Rows) -> set[tuple[str, ...]]:
    return {key for key, row in one.items() if row != other[key]}


def test_players_are_split_by_their_hash_alone(
    build: Callable[[pl.DataFrame, str], Rows], ownership: pl.DataFrame
) -> None:
    rows = build(ownership, CHURN)
    assert len(rows) == 300
    assert {key: row["split"] for key, row in rows.items()} == {key: split_of(*key) for key in rows}
    counts = Counter(row["split"] for row in rows.values())
    # Three standard deviations of 300 draws.
    assert counts["train"] / 300 == pytest.approx(0.6, abs=0.085)
    assert counts["test"] / 300 == pytest.approx(0.2, abs=0.07)
    half = build(ownership.filter(pl.col("player_id") < "p2"), CHURN)
    assert all(row["split"] == rows[key]["split"] for key, row in half.items())


def test_features_of_a_purchase_equal_those_counted_one_by_one(
    build: Callable[[pl.DataFrame, str], Rows], ownership: pl.DataFrame
) -> None:
    pairs = ownership.to_dicts()

    def known(pair: dict) -> list[dict]:
        """The training players' purchases; of a training player, not those of the same sixteenth."""
        split, fold = split_of(pair["player_id"]), md5(pair["player_id"])[8]
        train = [other for other in pairs if split_of(other["player_id"]) == "train"]
        return [other for other in train if split != "train" or md5(other["player_id"])[8] != fold]

    def rate(pair: dict) -> float:
        of_half = [
            other["is_played"]
            for other in known(pair)
            if is_in_first_half(other["game_id"]) == is_in_first_half(pair["game_id"])
        ]
        of_game = [other["is_played"] for other in known(pair) if other["game_id"] == pair["game_id"]]
        return (sum(of_game) + 3 * sum(of_half) / len(of_half)) / (len(of_game) + 3)

    rows = build(ownership, PLAY)
    assert len(rows) == len(pairs)
    for pair in pairs[::150]:
        row = rows[pair["player_id"], pair["game_id"]]
        others = [
            other
            for other in pairs
            if other["player_id"] == pair["player_id"] and other["game_id"] != pair["game_id"]
        ]
        rates = [rate(other) for other in others]
        residual = sum(other["is_played"] - p for other, p in zip(others, rates, strict=True))
        played = [other for other in known(pair) if other["game_id"] == pair["game_id"] and other["hours"]]
        assert row["label"] == pair["is_played"]
        assert row["game_play_rate"] == pytest.approx(rate(pair))
        assert row["others_owned_count"] == len(others)
        assert row["others_played_count"] == sum(other["is_played"] for other in others)
        assert row["others_play_effect"] == pytest.approx(
            residual / (sum(p * (1 - p) for p in rates) + 1), abs=1e-7
        )
        assert row["library_mean_play_rate"] == pytest.approx(np.mean([*rates, rate(pair)]))
        logs = [math.log1p(other["hours"]) for other in played]
        assert row["game_typical_hours"] == pytest.approx(math.expm1(np.mean(logs)), abs=1e-6)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_purchase_tells_nothing_to_its_own_row(
    build: Callable[[pl.DataFrame, str], Rows], ownership: pl.DataFrame, split: str
) -> None:
    """And what was played by players held out tells nothing to anybody else."""
    [player] = ownership.filter(pl.col("player_id").map_elements(split_of, pl.String) == split)[
        "player_id"
    ].unique(maintain_order=True)[:1]
    game = ownership.filter(pl.col("player_id") == player)["game_id"][0]
    is_flipped = (pl.col("player_id") == player) & (pl.col("game_id") == game)
    flipped = with_play(
        ownership,
        pl.when(is_flipped).then(pl.when(pl.col("hours") > 0).then(0).otherwise(50)).otherwise("hours"),
    )
    before, after = build(ownership, PLAY), build(flipped, PLAY)
    assert before[player, game].pop("label") != after[player, game].pop("label")
    assert before[player, game] == after[player, game]
    changed = differing(before, after)
    assert {key[0] for key in changed} - {player} == set() if split != "train" else len(changed) > 20
    # Nor to a training player of the same sixteenth.
    fold = md5(player)[8]
    assert not any(
        split == "train" and split_of(other) == "train" and md5(other)[8] == fold and other != player
        for other, _ in changed
    )


@pytest.mark.parametrize("player", ["lone1", "lone6"])
def test_a_players_only_purchase_looks_the_same_played_or_not(
    build: Callable[[pl.DataFrame, str], Rows], ownership: pl.DataFrame, player: str
) -> None:
    """A sum over nothing that is null for one and 0 for the other would be the label itself."""
    lone = ownership.head(1).with_columns(player_id=pl.lit(player), game_id=pl.lit("g1"))
    one, other = (
        build(pl.concat([ownership, with_play(lone, pl.lit(hours))]), PLAY)[player, "g1"]
        for hours in (0.0, 9.0)
    )
    assert {one.pop("label"), other.pop("label")} == {True, False}
    assert one == other


def test_the_second_half_of_the_library_is_label_only_the_first_features_only(
    build: Callable[[pl.DataFrame, str], Rows], ownership: pl.DataFrame
) -> None:
    is_first = pl.col("game_id").map_elements(is_in_first_half, pl.Boolean)
    whole = build(ownership, CHURN)
    label = {"label", "proxy_label"}

    def features(rows: Rows) -> Rows:
        return {
            key: {
                name: value
                for name, value in row.items()
                if name not in label and not name.startswith("library_")
            }
            for key, row in rows.items()
        }

    reversed_hours = with_play(
        ownership, pl.when(is_first).then("hours").otherwise(100 - pl.col("hours").clip(upper_bound=100))
    )
    changed = build(reversed_hours, CHURN)
    assert features(changed) == features(whole)
    assert {key: row["label"] for key, row in changed.items()} != {
        key: row["label"] for key, row in whole.items()
    }
    first_half_changed = build(with_play(ownership, pl.when(is_first).then(7.0).otherwise("hours")), CHURN)
    assert {key: row["label"] for key, row in first_half_changed.items()} == {
        key: row["label"] for key, row in whole.items()
    }
    assert features(first_half_changed) != features(whole)


def test_the_label_of_churn(build: Callable[[pl.DataFrame, str], Rows], ownership: pl.DataFrame) -> None:
    """The cutoff is that of training players with a game of the second half; without one nothing is known."""
    second = ownership.filter(~pl.col("game_id").map_elements(is_in_first_half, pl.Boolean))
    hours = dict(second.group_by("player_id").agg(pl.col("hours").sum().round(3)).iter_rows())
    cutoff = np.quantile([total for player, total in hours.items() if split_of(player) == "train"], 0.2)
    rows = build(ownership, CHURN)
    assert {player: row["label"] for (player,), row in rows.items()} == {
        player: hours[player] <= cutoff if player in hours else None for (player,) in rows
    }
    assert {row["label"] for row in rows.values()} == {True, False, None}


def test_features_of_the_first_half(build: Callable[[pl.DataFrame, str], Rows]) -> None:
    """One player's, by hand: of the first half 1 and 3 hours and one never played; of the second 10 hours."""
    games = [f"g{number}" for number in range(40)]
    first = [game for game in games if is_in_first_half(game)][:3]
    [second] = [game for game in games if not is_in_first_half(game)][:1]
    pairs = pl.DataFrame(
        {"player_id": "p1", "game_id": [*first, second], "hours": [1.0, 3.0, 0.0, 10.0]}
    ).with_columns(is_purchased=pl.lit(True), play_rows_count=pl.lit(1))
    [row] = build(with_play(pairs, pl.col("hours")), CHURN).values()
    expected = {
        "games_owned_count": 3,
        "games_played_count": 2,
        "games_never_played_count": 1,
        "games_never_played_share": 1 / 3,
        "total_hours": 4.0,
        "top_game_hours": 3.0,
        "hours_per_played_game": 2.0,
        "hours_concentration": 10 / 16,
        "library_total_hours": 14.0,
        "library_games_owned_count": 4,
        "library_hours_per_played_game": 14 / 3,
        "as_of": None,
        "label_known_at": None,
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected)
