"""Sessions that may yet convert: against a computation session by session; features from a log cut short."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from common.warehouse import open_warehouse
from tests.compiled_models import CompiledModels, read_frame

START = datetime(2024, 2, 26)
GAP = timedelta(minutes=30)
TARGETS = {"label", "label_known_at", "split"}
# What segments are made of beside the log's own properties.
EMPTY = {
    "stg_viewing__viewers": "select 1 as user_id, '' as acquisition_channel where false",
    "bridge_anime_tags": "select '' as anime_id, '' as tag where false",
    "stg_movielens__movies": "select 1 as movie_id, ['']  as genres where false",
}

Rows = dict[str, dict]


@pytest.fixture(scope="module")
def models(built_warehouse: Path) -> CompiledModels:
    return CompiledModels(built_warehouse.parent / "dbt" / "manifest.json")


@pytest.fixture
def connection(built_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    monkeypatch.setenv("WAREHOUSE_PATH", str(built_warehouse))
    with open_warehouse(read_only=True) as opened:
        yield opened


def shop_log(seed: int) -> pl.DataFrame:
    """Two shops, and a log where nobody buys; many events share their instant, traits change after the first.

    Every other user has sessions of the log's own: several at a time, and resumed after days.
    """
    random = np.random.default_rng(seed)
    names = ["home", "view", "view", "cart", "purchase"]
    rows = []
    for source, share in (("shop", 1.0), ("other_shop", 1.0), ("blog", 0.0)):
        for user in range(24):
            for session in range(int(random.integers(1, 9))):
                at = START + timedelta(
                    seconds=int(random.integers(0, 30)) * 86_400 + 600 * int(random.integers(0, 144))
                )
                for number in range(int(random.integers(1, 9))):
                    name = str(random.choice(names)) if share else "home"
                    own = f"s{session}" if user % 2 else None
                    item = str(random.integers(0, 3)) if name != "home" else None
                    plan = f'{{"plan":"{random.choice(["free", "member"])}","channel":"c{number}"}}'
                    rows.append((source, f"u{user}", own, at, name, item, plan))
                    resumed = own is not None and random.random() < 0.1
                    at += (
                        timedelta(days=2)
                        if resumed
                        else timedelta(seconds=int(random.choice([0, 0, 30, 900])))
                    )
    schema = ["source", "user_id", "own_session_id", "occurred_at", "event_name", "item_id", "properties"]
    log = pl.DataFrame(rows, schema=schema, orient="row", infer_schema_length=None)
    return log.with_columns(
        pl.col("occurred_at").cast(pl.Datetime("us")), event_id=pl.int_range(pl.len()).cast(pl.String)
    )


def features(models: CompiledModels, events: pl.DataFrame) -> Rows:
    """`feat_session_conversion` of a log, by key."""
    with duckdb.connect() as database:
        models.provide_events(database, events)
        for name, query in EMPTY.items():
            models.provide(database, name, query)
        models.build(database, "feat_session_conversion")
        query = f"from {models.relation('feat_session_conversion')} order by session_key"
        return {row["session_key"]: row for row in read_frame(database, query).to_dicts()}


def sessions_of(events: list[dict]) -> list[list[dict]]:
    """The sessions of one user, in the order in which they begin: by the log's id, or by the gap."""
    sessions: dict[str, list[dict]] = {}
    made = 0
    for event in sorted(events, key=lambda event: event["occurred_at"]):
        key = f"own/{event['own_session_id']}"
        if event["own_session_id"] is None:
            previous = sessions.get(f"gap/{event['user_id']}-{made}")
            made += previous is None or event["occurred_at"] - previous[-1]["occurred_at"] > GAP
            key = f"gap/{event['user_id']}-{made}"
        sessions.setdefault(key, []).append(event | {"key": f"{event['source']}/{event['user_id']}/{key}"})
    return list(sessions.values())


def bought(events: list[dict], before: datetime | None = None) -> bool:
    return any(e["event_name"] == "purchase" and (not before or e["occurred_at"] < before) for e in events)


@pytest.mark.parametrize("seed", [1, 2])
def test_features_equal_a_count_session_by_session(models: CompiledModels, seed: int) -> None:
    log = shop_log(seed)
    found, expected = features(models, log), {}
    for source in ("shop", "other_shop"):
        of_source = log.filter(pl.col("source") == source)
        end = of_source["occurred_at"].max()
        by_user = [
            sessions_of(user.to_dicts()) for _, user in of_source.group_by("user_id", maintain_order=True)
        ]
        everything = [session for sessions in by_user for session in sessions]
        for sessions in by_user:
            past = sorted(
                (event for session in sessions for event in session), key=lambda e: e["occurred_at"]
            )
            for place, session in enumerate(sessions):
                first = session[:3]
                if len(first) < 3 or bought(first):
                    continue
                start, midnight = first[0]["occurred_at"], first[0]["occurred_at"].date()
                # Of sessions that begin at one instant, the first delivered is the first.
                before = sessions[:place]
                begun = [one for one in everything if one[0]["occurred_at"].date() < midnight]
                day = datetime.combine(midnight, datetime.min.time())
                rate = sum(bought(one, day) for one in everything) / len(begun) if begun else None
                converted = sum(bought(one, start) for one in sessions)
                over = session[-1]["occurred_at"] + GAP
                expected[first[0]["key"]] = {
                    "label": bought(session[3:]) if over < end else None,
                    "label_known_at": over if over < end else None,
                    "as_of": first[2]["occurred_at"],
                    "event_id": first[2]["event_id"],
                    "first_event": first[0]["event_name"],
                    "previous_event": first[1]["event_name"],
                    "latest_event": first[2]["event_name"],
                    "event_names_count": len({e["event_name"] for e in first}),
                    "item_events_count": sum(e["item_id"] is not None for e in first),
                    "items_count": len({e["item_id"] for e in first} - {None}),
                    "seconds_since_start": (first[2]["occurred_at"] - start).total_seconds(),
                    "seconds_since_previous_event": (
                        first[2]["occurred_at"] - first[1]["occurred_at"]
                    ).total_seconds(),
                    "hour_of_day": start.hour,
                    "weekday": start.isoweekday(),
                    "user_sessions_count": len(before),
                    "user_converted_sessions_count": converted,
                    "user_conversion_rate": rate
                    and pytest.approx((converted + 5 * rate) / (len(before) + 5)),
                    "user_days_since_previous_session": pytest.approx(
                        (start - before[-1][0]["occurred_at"]).total_seconds() / 86_400
                    )
                    if before
                    else None,
                    "user_events_count": sum(e["occurred_at"].date() < midnight for e in past),
                    "channel": past[0]["properties"].split('"')[7],
                    "plan": past[0]["properties"].split('"')[3],
                }
    assert found.keys() == expected.keys() and len(found) > 80
    for key, values in expected.items():
        assert {name: found[key][name] for name in values} == values, key
    assert {True, False} <= {row["label"] for row in found.values()}


def test_features_of_a_log_cut_short_are_the_same(models: CompiledModels) -> None:
    """Nothing that happens after a session's third event changes its row, but for label and split."""
    log = shop_log(3)
    whole = features(models, log)
    moments = sorted(row["as_of"] for row in whole.values())
    for moment in (
        moments[len(moments) // 3],
        moments[len(moments) // 2] + timedelta(seconds=1),
        moments[-9],
    ):
        cut = features(models, log.filter(pl.col("occurred_at") <= moment))
        until = {key: row for key, row in whole.items() if row["as_of"] <= moment}
        assert cut.keys() == until.keys() and len(cut) > 20
        for key, row in cut.items():
            assert {name: row[name] for name in row.keys() - TARGETS} == {
                name: until[key][name] for name in row.keys() - TARGETS
            }, (moment, key)
            # A session that the gap ended stays over; one of the log's own may be resumed.
            if row["label"] is not None and not row["is_own_session"]:
                assert (row["label"], row["label_known_at"]) == (
                    until[key]["label"],
                    until[key]["label_known_at"],
                )


def test_a_session_with_a_label_is_over_when_its_part_of_the_data_is(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    rows = connection.execute("""
        select split, min(as_of), max(as_of), max(label_known_at), count(label), count(*)
        from marts.feat_session_conversion group by split
    """).fetchall()
    parts = {split: values for split, *values in rows}
    assert {"train", "validation", "test"} <= parts.keys()
    assert parts["train"][2] <= parts["validation"][0] and parts["validation"][2] <= parts["test"][0]
    assert all(values[3] == values[4] for split, values in parts.items() if split != "open")
    assert parts.get("open", [0] * 5)[3] == 0


def test_the_true_probability_of_each_row_is_known_and_calibrated(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Of the generated clickstream; nobody's probability is of a session that was over, or had converted."""
    expected, variance, found, rows = connection.execute("""
        select sum(p_converts), sum(p_converts * (1 - p_converts)), count_if(label), count(*)
        from marts.feat_session_conversion
        inner join truth.conversion_outlooks using (source, event_id)
        where label is not null
    """).fetchone()
    assert (
        rows
        == connection.execute(
            "select count(label) from marts.feat_session_conversion where source = 'clickstream'"
        ).fetchone()[0]
    )
    assert abs(found - expected) < 3.5 * variance**0.5 and found > 50
