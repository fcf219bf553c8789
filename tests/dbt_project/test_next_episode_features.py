"""Features know the past only: the same rows come out of a log that ends where they do."""

from pathlib import Path

import duckdb
import pytest

from common.warehouse import open_warehouse
from ingest.__main__ import main as ingest
from ingest.landing.manifest import open_raw
from tests.pipeline import run_dbt

# Whose values tell of the future by design; everything else must be known at as_of.
TARGETS = {"label", "split"}


def feature_rows(connection: duckdb.DuckDBPyConnection, until: object = None) -> dict[int, dict[str, object]]:
    cursor = connection.execute(
        "select * from marts.feat_next_episode where as_of <= coalesce(?, timestamp '2999-01-01')", [until]
    )
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row["event_id"]: {name: row[name] for name in names if name not in TARGETS} for row in rows}


def rounded(row: dict[str, object]) -> dict[str, object]:
    """Floats to nine digits: sums may be added up in another order."""
    return {name: round(value, 9) if isinstance(value, float) else value for name, value in row.items()}


def test_a_log_cut_at_any_moment_gives_the_same_features(warehouse: Path, tmp_path: Path) -> None:
    assert ingest(["simulate", "--viewers", "300", "--days", "90", "--seed", "5"]) == 0
    run_dbt("run", tmp_path, "--select", "+feat_next_episode")
    cut = "2025-02-20 21:07:00"
    with open_warehouse() as connection:
        whole = feature_rows(connection, cut)
        connection.execute(
            "delete from raw.viewing_events where started_at + watch_seconds * interval 1 second > ?", [cut]
        )
    run_dbt("run", tmp_path, "--select", "+feat_next_episode")
    with open_warehouse() as connection:
        cut_off = feature_rows(connection)
    assert len(whole) > 1_000
    assert cut_off.keys() == whole.keys()
    for event_id, row in whole.items():
        assert rounded(cut_off[event_id]) == rounded(row), event_id


# One viewer (1) and one more (2), on title a (12 episodes, tags x) and b (12 episodes, tags x, y).
# Columns: event, user, title, episode, start; each watched for 20 of 25 minutes.
HAND_MADE = [
    (1, 1, "a", 1, "2025-01-01 10:00:00"),  # continued by 2
    (2, 1, "a", 2, "2025-01-02 10:00:00"),  # never continued: known 2025-01-16 10:00
    (3, 2, "b", 1, "2025-01-03 10:00:00"),  # continued by 4
    (4, 2, "b", 2, "2025-01-05 10:00:00"),  # never continued: known 2025-01-19 10:00
    (5, 1, "b", 1, "2025-01-16 09:30:00"),  # as of 09:50, ten minutes before event 2 is known as stopped
    (6, 1, "b", 2, "2025-01-16 09:55:00"),  # as of 10:15, after it
    (7, 2, "a", 1, "2025-03-01 10:00:00"),
]


def test_features_of_a_hand_made_log(warehouse: Path, tmp_path: Path) -> None:
    with open_raw() as connection:
        connection.executemany(
            "insert into raw.viewing_events values "
            "(?, ?, ?, ?, cast(? as timestamp), 1200, 1500, 0.8, 'tv', 'b', 'f', 1, now()::timestamp)",
            HAND_MADE,
        )
        connection.executemany(
            "insert into raw.viewing_viewers "
            "values (?, '2025-01-01', 'search', 'b', 'f', 1, now()::timestamp)",
            [(1,), (2,)],
        )
        for title, tags in (("a", ["x"]), ("b", ["x", "y"])):
            connection.execute(
                "insert into raw.anime by name select ? as anime_id, 'A title' as title, 'TV' as type, "
                "12 as episodes, 'FINISHED' as status, 7.5 as score_arithmetic_mean, ? as tags, "
                "'b' as _batch_id, 'f' as _source_file, 1 as _row_number, now()::timestamp as _loaded_at",
                [title, tags],
            )
    run_dbt("run", tmp_path, "--select", "+feat_next_episode")
    with open_warehouse() as connection:
        rows = feature_rows(connection)

    first = rows[1]
    assert first["user_views_count"] == first["user_known_outcomes_count"] == first["title_views_count"] == 0
    assert first["user_continuation_rate"] is None
    assert first["user_hours_since_previous_view"] is None
    assert first["taste_match"] is None

    # Event 1 is known as continued the moment event 2 starts, so by the end of event 2.
    second = rows[2]
    assert (second["user_known_outcomes_count"], second["user_known_continued_count"]) == (1, 1)
    assert second["run_views_count"] == 1
    assert second["run_hours_since_previous_view"] == pytest.approx(24 - 20 / 60)
    assert second["episodes_remaining"] == 10

    # Ten minutes before two weeks are over, event 2 counts as a view but not as an outcome.
    before = rows[5]
    assert before["user_views_count"] == 2
    assert (before["user_known_outcomes_count"], before["user_known_continued_count"]) == (1, 1)
    # Title statistics are those of the midnight before: events 3 and 4, of which 3 is known.
    assert before["title_views_count"] == 2
    assert (before["title_known_outcomes_count"], before["title_continuation_rate"]) == (1, 1.0)
    # x: 1 of viewer 1's 1 earlier title, against 2 of 2; y: 0 of 1, against 1 of 2.
    assert before["taste_match"] == pytest.approx((0.0 + -0.5) / 2)

    # Twenty minutes on it is known: event 1 continued, 2 stopped, and 5 continued by this very view.
    after = rows[6]
    assert (after["user_known_outcomes_count"], after["user_known_continued_count"]) == (3, 2)
    assert (after["title_views_count"], after["title_known_outcomes_count"]) == (2, 1)
    assert after["run_views_count"] == 1

    # By March all is known: of title a's two views one was continued.
    last = rows[7]
    assert last["title_continuation_rate"] == 0.5
    assert last["user_continuation_rate"] == 0.5
