"""The simulator: the same rows however it is run, the model it claims, and truth that agrees with the log."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.api import GLM, families

from common.errors import UserError
from ingest.making.stand_ins.anime import write_anime_stand_in
from ingest.making.viewing import SimulatedLog, SimulationOptions, write_viewing_log
from ingest.making.viewing.config import load_config
from ingest.making.viewing.randomness import draw, seed_key
from ingest.reading.anime import read_anime

REAL_CATALOGUE = Path(__file__).parents[3] / "shared/data/anime-offline-database.jsonl.zst"
OPTIONS = SimulationOptions()
LOG_START = datetime(2025, 1, 1)
LOG_END = LOG_START + timedelta(days=OPTIONS.days)
WINDOW = timedelta(days=14)
KINDS = ("events", "viewers", "truth_viewers", "choices")
TAGS = [f"tag {number}" for number in range(24)]


def make_catalogue(titles: int = 1_500) -> pl.DataFrame:
    """Films, short and long series, some unscored or untagged, some that can't be watched."""
    random = np.random.default_rng(11)
    types = random.choice(["TV", "MOVIE", "OVA", "ONA", "SPECIAL"], titles, p=[0.4, 0.15, 0.15, 0.15, 0.15])
    lengths = random.choice([12, 13, 24, 26, 52, 2, 6], titles)
    scores = random.normal(6.4, 1.0, titles).clip(1, 10)
    return pl.DataFrame(
        {
            "anime_id": [f"catalogue:{number}" for number in range(titles)],
            "title": [f"Title {number}" for number in range(titles)],
            "type": types,
            "episodes": np.where(types == "MOVIE", 1, np.where(random.random(titles) < 0.03, 0, lengths)),
            "status": random.choice(["FINISHED", "ONGOING", "UPCOMING"], titles, p=[0.93, 0.03, 0.04]),
            "year": 2020,
            "duration_seconds": [None if draw < 0.1 else 1_440 for draw in random.random(titles)],
            "score_arithmetic_mean": [
                None if draw < 0.2 else score
                for draw, score in zip(random.random(titles), scores, strict=True)
            ],
            "tags": [
                list(random.choice(TAGS, size, replace=False)) for size in random.integers(0, 5, titles)
            ],
        }
    )


class Log:
    """A written log, read back."""

    def __init__(self, written: SimulatedLog, catalogue: pl.DataFrame) -> None:
        self.written, self.catalogue = written, catalogue
        self.events = read(written.event_files)
        self.viewers = read(written.viewer_files)
        self.truth_viewers = read(written.truth_viewer_files)
        self.choices = read(written.choice_files)
        self.titles = pl.read_parquet(written.truth_titles_file)
        self.effects = pl.read_parquet(written.truth_effects_file)

    def effect(self, name: str) -> float:
        return self.effects.filter(pl.col("effect") == name)["size"].item()

    def labelled(self) -> pl.DataFrame:
        """Views with has_continued, worked out from the log alone; null where it can't be known."""
        following = self.events.select(
            "user_id", "anime_id", pl.col("episode_number") - 1, next_at="started_at"
        )
        total = self.catalogue.select("anime_id", "type", total="episodes", score="score_arithmetic_mean")
        joined = self.events.join(following, on=["user_id", "anime_id", "episode_number"], how="left")
        is_known = (pl.col("episode_number") < pl.col("total")) & (pl.col("started_at") <= LOG_END - WINDOW)
        continues = (pl.col("next_at") < pl.col("started_at") + WINDOW).fill_null(False)
        return joined.join(total, on="anime_id").with_columns(
            has_continued=pl.when(is_known).then(continues),
        )


def standard_engagement(engagement: pl.Series | pl.Expr) -> pl.Series | pl.Expr:
    """Engagement in standard deviations of its Beta distribution."""
    viewers = load_config().viewers
    alpha, beta = viewers.engagement_alpha, viewers.engagement_beta
    spread = (alpha * beta / (alpha + beta + 1)) ** 0.5 / (alpha + beta)
    return (engagement - alpha / (alpha + beta)) / spread


def read(files: list[Path]) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(file) for file in files])


def simulate(folder: Path, options: SimulationOptions, catalogue: pl.DataFrame | None = None, **how) -> Log:
    catalogue = make_catalogue() if catalogue is None else catalogue
    return Log(write_viewing_log(catalogue, options, folder, **how), catalogue)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return simulate(tmp_path_factory.mktemp("log"), OPTIONS)


@pytest.fixture(scope="module")
def latents(log: Log) -> pl.DataFrame:
    """Choices, with all that decided them."""
    taste = log.truth_viewers.select(
        "user_id",
        "engagement",
        *(pl.col("taste").list.get(number).alias(f"taste {number}") for number in range(16)),
    )
    order = (
        log.effects.filter(pl.col("effect") == "taste_order")["description"].item().split(": ")[1].split(", ")
    )
    tags = log.catalogue.select(
        "anime_id",
        *(
            pl.col("tags").list.contains(tag).cast(pl.Float64).alias(f"tag {n}")
            for n, tag in enumerate(order)
        ),
    )
    match = sum(pl.col(f"taste {number}") * pl.col(f"tag {number}") for number in range(16))
    return (
        log.choices.join(log.labelled(), on="event_id")
        .join(taste, on="user_id")
        .join(log.titles, on="anime_id")
        .join(tags, on="anime_id")
        .with_columns(
            standard_engagement=standard_engagement(pl.col("engagement")),
            match=match,
            is_weekend=(pl.col("started_at").dt.weekday() >= 6).cast(pl.Float64),
        )
    )


# The same rows, however it is run


@pytest.mark.parametrize(
    "how",
    [{"shard_viewers": 23}, {"shard_viewers": 400}, {"shard_viewers": 130, "processes": 2}],
    ids=["tiny shards", "uneven shards", "two processes"],
)
def test_rows_and_their_order_are_the_same_for_any_shards_and_processes(tmp_path: Path, how: dict) -> None:
    options = SimulationOptions(viewers=500, days=60)
    whole = simulate(tmp_path / "whole", options)
    parts = simulate(tmp_path / "parts", options, **how)
    assert len(parts.written.event_files) == -(-500 // how["shard_viewers"])
    for kind in (*KINDS, "titles", "effects"):
        assert getattr(parts, kind).equals(getattr(whole, kind)), kind


def test_same_options_write_the_same_bytes(tmp_path: Path) -> None:
    options = SimulationOptions(viewers=200, days=30)
    simulate(tmp_path / "one", options)
    simulate(tmp_path / "two", options)
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert len(files) == 6
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_order_and_other_columns_of_the_catalogue_do_not_matter(tmp_path: Path) -> None:
    options = SimulationOptions(viewers=200, days=30)
    shuffled = make_catalogue().sample(fraction=1, shuffle=True, seed=1).with_columns(extra=pl.lit(1))
    assert simulate(tmp_path / "one", options).events.equals(
        simulate(tmp_path / "two", options, shuffled).events
    )


def test_another_seed_gives_other_rows_but_the_same_titles(tmp_path: Path) -> None:
    one = simulate(tmp_path / "one", SimulationOptions(viewers=300, days=60))
    two = simulate(tmp_path / "two", SimulationOptions(viewers=300, days=60, seed=43))
    assert one.titles.equals(two.titles)
    assert not one.truth_viewers["engagement"].equals(two.truth_viewers["engagement"])
    shared = one.events.select("user_id", "started_at").join(
        two.events.select("user_id", "started_at"), on=["user_id", "started_at"]
    )
    assert shared.height < 0.01 * one.events.height


def test_more_viewers_leave_the_rows_of_the_first_unchanged(tmp_path: Path) -> None:
    few = simulate(tmp_path / "few", SimulationOptions(viewers=150, days=60))
    many = simulate(tmp_path / "many", SimulationOptions(viewers=450, days=60))
    assert many.viewers.height == 450
    for kind in ("events", "viewers", "truth_viewers"):
        first = getattr(many, kind).filter(pl.col("user_id") <= 150)
        assert first.equals(getattr(few, kind)), kind


def test_rows_of_a_seed_are_pinned(tmp_path: Path) -> None:
    """Another processor, numpy or Python gives these rows, too: a change here changes everybody's numbers."""
    log = simulate(tmp_path, SimulationOptions(viewers=40, days=30))
    totals = log.events.select(pl.len(), pl.col("watch_seconds", "event_id").sum()).row(0)
    assert totals == (319, 383_353, 241_631_241_808)
    assert round(log.choices["p_continue"].cast(pl.Float64).sum(), 4) == 207.7379


def test_draws_of_neighbouring_keys_and_fields_are_unrelated() -> None:
    users = np.arange(1, 20_001, dtype=np.int64)
    keys = draw(np.broadcast_to(seed_key(42), users.shape), users)
    fields = [draw(keys, index) for index in (0, 1, 2, 16, 17)]
    halves = [word >> np.uint64(32) for word in fields] + [word & np.uint64(2**32 - 1) for word in fields]
    correlations = np.corrcoef(np.array(halves, dtype=np.float64)) - np.eye(len(halves))
    assert np.abs(correlations).max() < 5 / len(users) ** 0.5
    assert all(abs(half.mean() / 2**32 - 0.5) < 0.01 for half in halves)


# What is in the files


def test_files_hold_the_columns_that_are_loaded_and_nothing_latent(log: Log) -> None:
    assert dict(log.events.schema) == {
        "event_id": pl.Int64,
        "user_id": pl.Int64,
        "anime_id": pl.String,
        "episode_number": pl.Int32,
        "started_at": pl.Datetime("us"),
        "watch_seconds": pl.Int32,
        "episode_seconds": pl.Int32,
        "completion": pl.Float64,
        "device": pl.String,
    }
    assert log.viewers.columns == ["user_id", "signed_up_at", "acquisition_channel"]
    assert log.truth_viewers.columns == [
        "user_id",
        "engagement",
        "leave_hazard_per_day",
        "leaves_at",
        "taste",
    ]
    assert log.choices.columns == ["event_id", "p_continue", "continued"]
    assert log.titles.columns == ["anime_id", "quality", "popularity"]
    assert log.effects.columns == ["effect", "size", "unit", "description"]
    nulls = {
        kind: getattr(log, kind).null_count().sum_horizontal().item()
        for kind in (*KINDS, "titles", "effects")
    }
    assert nulls.pop("truth_viewers") == log.truth_viewers["leaves_at"].null_count() > 0
    assert set(nulls.values()) == {0}


def test_counts_that_are_returned_are_those_written(log: Log) -> None:
    written = log.written
    assert (written.events, written.viewers, written.choices, written.titles, written.effects) == (
        log.events.height,
        log.viewers.height,
        log.choices.height,
        log.titles.height,
        log.effects.height,
    )
    assert log.viewers["user_id"].equals(log.truth_viewers["user_id"])
    assert log.viewers["user_id"].to_list() == list(range(1, OPTIONS.viewers + 1))


def test_event_ids_are_unique_ordered_and_exact_in_a_double(log: Log) -> None:
    assert log.events["event_id"].is_unique().all()
    assert log.events["event_id"].is_sorted()
    assert log.events["event_id"].max() < 2**53
    assert log.choices["event_id"].is_in(log.events["event_id"].implode()).all()


def test_titles_are_watched_from_the_first_episode_without_a_gap_and_end_where_they_end(log: Log) -> None:
    runs = log.events.group_by("user_id", "anime_id").agg(
        first=pl.col("episode_number").min(), last=pl.col("episode_number").max(), views=pl.len()
    )
    assert (runs["first"] == 1).all()
    assert (runs["last"] == runs["views"]).all()
    with_total = runs.join(log.catalogue, on="anime_id", how="left")
    assert (with_total["last"] <= with_total["episodes"]).all()
    finished = with_total.filter((pl.col("last") == pl.col("episodes")) & (pl.col("episodes") > 1))
    assert finished.height > 1_000


def test_only_views_with_a_next_episode_have_a_choice(log: Log) -> None:
    has_next = log.labelled().filter(pl.col("episode_number") < pl.col("total"))
    assert set(has_next["event_id"]) == set(log.choices["event_id"])
    films = log.labelled().filter(pl.col("total") == 1)
    assert films.height > 1_000


def test_upcoming_titles_and_those_of_unknown_length_are_never_chosen(log: Log) -> None:
    unwatchable = log.catalogue.filter((pl.col("status") == "UPCOMING") | (pl.col("episodes") == 0))
    assert unwatchable.height > 50
    assert not log.events["anime_id"].is_in(unwatchable["anime_id"].implode()).any()
    assert log.titles.height == log.catalogue.height - unwatchable.height


def test_views_lie_within_the_log_and_the_viewer_s_life(log: Log) -> None:
    views = log.events.join(log.viewers, on="user_id").join(log.truth_viewers, on="user_id")
    assert (views["started_at"] >= views["signed_up_at"]).all()
    assert (views["started_at"] < LOG_END).all()
    assert (log.viewers["signed_up_at"] >= LOG_START).all()
    assert (log.viewers["signed_up_at"] < LOG_END).all()
    leavers = views.drop_nulls("leaves_at")
    assert leavers["user_id"].n_unique() > 1_000
    assert (leavers["started_at"] < leavers["leaves_at"]).all()
    assert (leavers["leaves_at"] < LOG_END).all()


def test_gaps_begin_after_the_view_and_are_shorter_than_the_window(log: Log) -> None:
    followed = log.labelled().drop_nulls("next_at")
    gaps = followed["next_at"] - followed["started_at"]
    assert (
        (followed["next_at"] - followed["started_at"]).dt.total_seconds() > followed["watch_seconds"]
    ).all()
    assert gaps.max() < WINDOW
    assert gaps.max() > timedelta(days=10)
    within_two_hours = (gaps < timedelta(hours=2)).mean()
    assert within_two_hours == pytest.approx(log.effect("gap_binge"), abs=0.02)


def test_watch_seconds_are_completion_of_the_episode_s_length(log: Log) -> None:
    events = log.events
    assert events["completion"].is_between(0, 1).all()
    expected = (events["completion"] * events["episode_seconds"] + 0.5).floor()
    assert (events["watch_seconds"] - expected).abs().max() <= 1
    assert events["completion"].std() > 0.2
    given = events.join(log.catalogue, on="anime_id").drop_nulls("duration_seconds")
    assert (given["episode_seconds"] == given["duration_seconds"]).all()


# The model


def test_truth_agrees_with_the_log_wherever_the_log_can_tell(log: Log) -> None:
    known = log.labelled().drop_nulls("has_continued").join(log.choices, on="event_id", how="left")
    assert known.height > 80_000
    assert (known["has_continued"] == known["continued"]).all()


def test_best_possible_scores_are_as_designed(log: Log) -> None:
    check_ceiling(log)


@pytest.mark.parametrize("seed", [1, 2])
def test_best_possible_scores_are_as_designed_on_the_stand_in(tmp_path: Path, seed: int) -> None:
    catalogue = read_catalogue(write_anime_stand_in(tmp_path))
    check_ceiling(simulate(tmp_path / "log", replace(OPTIONS, seed=seed), catalogue))


@pytest.mark.skipif(not REAL_CATALOGUE.exists(), reason=f"the real catalogue is not at {REAL_CATALOGUE}")
def test_best_possible_scores_are_as_designed_on_the_real_catalogue(tmp_path: Path) -> None:
    check_ceiling(simulate(tmp_path, OPTIONS, read_catalogue(REAL_CATALOGUE)))


def read_catalogue(path: Path) -> pl.DataFrame:
    return pl.from_arrow(read_anime(path).tables["anime"])


def check_ceiling(log: Log) -> None:
    known = log.labelled().drop_nulls("has_continued").join(log.choices, on="event_id")
    label, probability = known["has_continued"].to_numpy(), known["p_continue"].to_numpy()
    assert 100_000 <= log.events.height <= 200_000
    assert 0.70 <= label.mean() <= 0.78
    assert 0.88 <= roc_auc_score(label, probability) <= 0.90
    assert 0.82 <= ((probability > 0.5) == label).mean() <= 0.87
    views_of_top_titles = log.events["anime_id"].value_counts(sort=True)["count"].head(20)
    assert views_of_top_titles.min() > 300
    last_fortnight = log.events.filter(pl.col("started_at") > LOG_END - WINDOW)
    assert last_fortnight.height > 5_000


def test_p_continue_is_the_probability_of_the_draw(log: Log) -> None:
    """In each of 20 bins the share that continued is within four standard errors of mean p_continue."""
    bins = log.choices.group_by((pl.col("p_continue") * 20).floor()).agg(
        p=pl.col("p_continue").mean(),
        share=pl.col("continued").mean(),
        error=(pl.col("p_continue") * (1 - pl.col("p_continue"))).sum().sqrt() / pl.len(),
    )
    assert bins.height == 20
    assert ((bins["p"] - bins["share"]).abs() < 4 * bins["error"]).all()


def test_planted_effects_on_continuation_are_recovered(log: Log, latents: pl.DataFrame) -> None:
    effects = {
        "continue_engagement": pl.col("standard_engagement"),
        "continue_quality": pl.col("quality"),
        "continue_taste_match": pl.col("match"),
        "continue_completion": pl.col("completion"),
        "continue_weekend": pl.col("is_weekend"),
        "continue_episode_1": pl.col("episode_number") == 1,
        "continue_episode_2": pl.col("episode_number") == 2,
        "continue_episode_3": pl.col("episode_number") == 3,
    }
    columns = [column.cast(pl.Float64).alias(name) for name, column in effects.items()]
    design = latents.select(pl.lit(1.0), *columns).to_numpy()
    fit = GLM(latents["continued"].cast(pl.Float64).to_numpy(), design, families.Binomial()).fit()
    for number, name in enumerate(effects, start=1):
        # Viewers who leave in a gap blur the logit a little: half a percent, beside four standard errors.
        allowed = 4 * fit.bse[number] + 0.015 * abs(log.effect(name))
        assert abs(fit.params[number] - log.effect(name)) < allowed, name


def test_leaving_follows_the_planted_hazards(log: Log) -> None:
    """Leavers, against days at risk times each viewer's hazard."""
    viewers = log.viewers.join(log.truth_viewers, on="user_id").with_columns(
        days=(pl.col("leaves_at").fill_null(LOG_END) - pl.col("signed_up_at")).dt.total_seconds() / 86_400,
        has_left=pl.col("leaves_at").is_not_null(),
    )
    expected = (viewers["days"] * viewers["leave_hazard_per_day"]).sum()
    assert abs(viewers["has_left"].sum() - expected) < 4 * expected**0.5


def test_hazards_are_those_planted_by_engagement_and_channel(log: Log) -> None:
    viewers = log.viewers.join(log.truth_viewers, on="user_id")
    ratios = viewers["acquisition_channel"].replace_strict(
        {name: log.effect(f"leave_channel_{name}") for name in viewers["acquisition_channel"].unique()}
    )
    log_hazards = (log.effect("leave_hazard") * ratios).log()
    log_hazards += log.effect("leave_engagement") * standard_engagement(viewers["engagement"])
    # Hazards are rounded to the nearest of 128 levels, 4 % apart.
    assert (viewers["leave_hazard_per_day"].log() - log_hazards).abs().max() < 0.0201


def test_channels_come_in_their_shares(log: Log) -> None:
    channels = load_config().channels
    counts = dict(log.viewers["acquisition_channel"].value_counts().iter_rows())
    for name, share in zip(channels.names, channels.shares, strict=True):
        assert counts[name] / OPTIONS.viewers == pytest.approx(
            share, abs=4 * (share / OPTIONS.viewers) ** 0.5
        )


def test_tastes_are_shares_and_lead_to_titles(log: Log, latents: pl.DataFrame) -> None:
    assert (log.truth_viewers["taste"].list.sum() == 1).all()
    assert (log.truth_viewers["taste"].list.len() == 16).all()
    first = latents.filter(pl.col("episode_number") == 1)
    tastes = first.select(pl.col("^taste \\d+$")).to_numpy()
    tags = first.select(pl.col("^tag \\d+$")).to_numpy()
    by_chance = (tastes * np.roll(tags, 10_007, axis=0)).sum(axis=1).mean()
    assert first["match"].mean() > 1.3 * by_chance


def test_titles_differ_and_the_score_shows_half_of_quality(log: Log) -> None:
    scored = log.titles.join(log.catalogue, on="anime_id").drop_nulls("score_arithmetic_mean")
    correlation = np.corrcoef(scored["quality"], scored["score_arithmetic_mean"])[0, 1]
    assert correlation**2 == pytest.approx(log.effect("quality_visible"), abs=0.08)
    assert log.titles["popularity"].sum() == pytest.approx(1)
    long = log.titles.join(log.catalogue, on="anime_id").filter(pl.col("episodes") > 1)
    mean = (long["quality"] * long["popularity"]).sum() / long["popularity"].sum()
    spread = ((long["quality"] - mean) ** 2 * long["popularity"]).sum() / long["popularity"].sum()
    assert (mean, spread) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))
    starts = (
        log.events.filter(pl.col("episode_number") == 1)["anime_id"]
        .value_counts()
        .join(log.titles, on="anime_id")
    )
    assert np.corrcoef(starts["count"], starts["popularity"])[0, 1] > 0.95


def test_views_rise_in_the_evening_and_at_the_weekend(log: Log) -> None:
    hours = dict(log.events.group_by(pl.col("started_at").dt.hour()).len().iter_rows())
    evening, morning, night = (
        sum(hours[hour] for hour in part) for part in ((19, 20, 21), (8, 9, 10), (3, 4, 5))
    )
    assert evening > 3 * morning > 6 * night
    # Whole weeks only, of the middle of the log, so that each weekday comes equally often.
    middle = log.events.filter(pl.col("started_at").is_between(datetime(2025, 2, 3), datetime(2025, 5, 26)))
    days = dict(middle.group_by(pl.col("started_at").dt.weekday()).len().iter_rows())
    assert (days[6] + days[7]) / 2 > 1.15 * sum(days[day] for day in range(1, 6)) / 5


def test_first_title_starts_soon_after_sign_up(log: Log) -> None:
    first = log.events.group_by("user_id").agg(pl.col("started_at").min()).join(log.viewers, on="user_id")
    assert (first["started_at"] - first["signed_up_at"]).median() < timedelta(days=1)
    assert first.height > 0.95 * OPTIONS.viewers


# Edges


def test_a_film_is_one_view_without_a_choice(tmp_path: Path) -> None:
    films = make_catalogue(40).filter(pl.col("type") == "MOVIE", pl.col("status") == "FINISHED")
    log = simulate(tmp_path, SimulationOptions(viewers=50, days=20), films)
    assert (log.events["episode_number"] == 1).all()
    assert log.events.height > 20
    assert log.choices.is_empty()


def test_a_catalogue_of_one_untagged_unscored_title_is_watched_once_by_each(tmp_path: Path) -> None:
    catalogue = make_catalogue(1).with_columns(
        status=pl.lit("FINISHED"),
        episodes=pl.lit(3),
        tags=pl.lit([], dtype=pl.List(pl.String)),
        score_arithmetic_mean=pl.lit(None, dtype=pl.Float64),
    )
    log = simulate(tmp_path, SimulationOptions(viewers=300, days=100), catalogue)
    assert log.events.select("user_id", "episode_number").is_unique().all()
    assert log.titles.row(0) == ("catalogue:0", 0.0, 1.0)


def test_a_log_of_one_viewer_and_one_day(tmp_path: Path) -> None:
    log = simulate(tmp_path, SimulationOptions(viewers=1, days=1))
    assert log.viewers.height == 1
    assert log.events["started_at"].is_between(LOG_START, LOG_START + timedelta(days=1)).all()


def test_a_log_may_start_on_any_day(tmp_path: Path) -> None:
    start = date(2023, 3, 4)
    log = simulate(tmp_path, SimulationOptions(viewers=300, days=10, start_date=start))
    first = datetime(2023, 3, 4)
    assert log.events["started_at"].is_between(first, first + timedelta(days=10), closed="left").all()
    assert log.viewers["signed_up_at"].is_between(first, first + timedelta(days=10), closed="left").all()


def test_very_long_titles_are_cut_by_the_log_and_longer_ones_than_ids_hold_are_left_out(
    tmp_path: Path,
) -> None:
    catalogue = make_catalogue(2).with_columns(
        status=pl.lit("FINISHED"), episodes=pl.Series([4_000, 1_000_000_000]), duration_seconds=pl.lit(60)
    )
    log = simulate(tmp_path, SimulationOptions(viewers=200, days=200), catalogue)
    assert log.events["anime_id"].unique().to_list() == ["catalogue:0"]
    assert log.events["episode_number"].max() > 15
    assert log.events["event_id"].is_unique().all()


def test_progress_is_told_after_each_shard(tmp_path: Path) -> None:
    told = []
    simulate(
        tmp_path,
        SimulationOptions(viewers=10, days=3),
        shard_viewers=4,
        on_shard=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"viewers": 0}, "0 viewers"),
        ({"viewers": -5}, "-5 viewers"),
        ({"viewers": 10**9}, "1,000,000,000 viewers"),
        ({"days": 0}, "0 days"),
        ({"days": 10_000}, "10,000 days"),
        ({"start_date": date(9999, 12, 1), "days": 60}, "9999-12-01"),
    ],
)
def test_impossible_options_are_refused_in_one_line(tmp_path: Path, change: dict, words: str) -> None:
    folder = tmp_path / "log"
    with pytest.raises(UserError) as refusal:
        write_viewing_log(make_catalogue(10), replace(OPTIONS, **change), folder)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda catalogue: catalogue.clear(), "no title that can be watched (0 entries"),
        (lambda catalogue: catalogue.with_columns(status=pl.lit("UPCOMING")), "no title that can be watched"),
        (lambda catalogue: catalogue.with_columns(episodes=pl.lit(0)), "no title that can be watched"),
        (lambda catalogue: catalogue.drop("tags", "type"), "no column type, tags"),
        (lambda catalogue: pl.concat([catalogue, catalogue]), "more than once"),
    ],
    ids=["empty", "all upcoming", "lengths unknown", "columns missing", "titles twice"],
)
def test_a_catalogue_that_cannot_be_watched_is_refused_in_one_line(
    tmp_path: Path, change, words: str
) -> None:
    with pytest.raises(UserError) as refusal:
        write_viewing_log(change(make_catalogue(10)), OPTIONS, tmp_path)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_tag_shares_are_those_of_the_weights_that_choices_follow(log: Log) -> None:
    """From the popularity of titles, which mixes choices from all titles and from those with each tag."""
    shares = log.effects.filter(pl.col("effect").str.starts_with("choice_tag_"))
    order = [name.removeprefix("choice_tag_") for name in shares["effect"]]
    assert "order of truth.viewers.taste: " + ", ".join(order) == (
        log.effects.filter(pl.col("effect") == "taste_order")["description"].item()
    )
    titles = log.titles.join(log.catalogue, on="anime_id")
    has_tag = titles.select(pl.col("tags").list.contains(tag).alias(tag) for tag in order).to_numpy()
    led = log.effect("choice_taste")
    pull = 1 - led + led * (has_tag / shares["size"].to_numpy()).mean(axis=1)
    weights = titles["popularity"].to_numpy() / pull
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert weights @ has_tag == pytest.approx(shares["size"].to_numpy(), abs=1e-6)


def test_quality_is_standardised_by_its_planted_mean_and_spread(log: Log) -> None:
    """So that what the score doesn't show is noise of mean 0 and of the hidden share of the variance."""
    titles = log.titles.join(log.catalogue, on="anime_id").drop_nulls("score_arithmetic_mean")
    scores = titles["score_arithmetic_mean"]
    visible = log.effect("quality_visible")
    quality = titles["quality"] * log.effect("quality_spread") + log.effect("quality_mean")
    hidden = quality - visible**0.5 * (scores - scores.mean()) / scores.std(ddof=0)
    assert abs(hidden.mean()) < 4 * (1 - visible) ** 0.5 / titles.height**0.5
    assert hidden.var() == pytest.approx(1 - visible, rel=4 * (2 / titles.height) ** 0.5)


def test_every_number_of_the_parameters_is_planted(log: Log) -> None:
    """Whoever has the log and its effects can work out every probability."""
    config, planted = load_config(), set(log.effects["size"])
    unneeded = {
        "channels": {"names", "shares"},
        "viewers": {"signup_alpha", "signup_beta"},
        "starts": {"first_delay_days"},
    }
    for section in (
        "continuation",
        "completion",
        "leaving",
        "gaps",
        "rhythm",
        "viewers",
        "starts",
        "channels",
    ):
        for name, value in vars(getattr(config, section)).items():
            if name in unneeded.get(section, ()):
                continue
            for size in value if isinstance(value, list) else [value]:
                assert size in planted or -size in planted, (section, name)
