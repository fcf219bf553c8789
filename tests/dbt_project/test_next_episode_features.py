"""Features know the past only: the same rows come out of a log that ends where they do."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from common.warehouse import open_warehouse
from ingest.landing.manifest import open_raw
from tests.compiled_models import CompiledModels, read_frame
from tests.pipeline import run_dbt

# Whose values tell of the future by design; everything else must be known at as_of.
TARGETS = {"label", "label_known_at", "split"}
TABLES_READ = ("viewing_viewers", "anime", "load_manifest")

Features = dict[int, dict[str, object]]


def feature_rows(connection: duckdb.DuckDBPyConnection, until: object = None) -> Features:
    cursor = connection.execute(
        "select * from marts.feat_next_episode where as_of <= coalesce(?, timestamp '2999-01-01')", [until]
    )
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row["event_id"]: {name: row[name] for name in names if name not in TARGETS} for row in rows}


def differences(row: dict[str, object], other: dict[str, object]) -> set[str]:
    """Columns that differ; floats may by their last digits, for sums are added up in another order."""

    def is_same(value: object, other_value: object) -> bool:
        if isinstance(value, float) and isinstance(other_value, float):
            return math.isclose(value, other_value, rel_tol=1e-9, abs_tol=1e-12)
        return value == other_value

    return {name for name, value in row.items() if not is_same(value, other[name])}


@pytest.fixture(scope="module")
def features_of_the_log(built_warehouse: Path) -> Callable[..., Features]:
    """Features of a log of views as it stood at a moment."""
    models = CompiledModels(built_warehouse.parent / "dbt" / "manifest.json")

    def build(views: pl.DataFrame, moment: datetime | None = None) -> Features:
        with duckdb.connect() as connection:
            connection.execute(f"attach '{built_warehouse}' as built (read_only)")
            connection.execute("create schema raw")
            tables = connection.execute(
                "select table_name from duckdb_tables() where database_name = 'built' and schema_name = 'raw'"
            ).fetchall()
            for (table,) in tables:
                limit = "" if table in TABLES_READ else "limit 0"
                connection.execute(f"create table raw.{table} as from built.raw.{table} {limit}")
            connection.execute("detach built")
            connection.register("views_given", views.to_arrow())
            connection.execute("insert into raw.viewing_events by name from views_given")
            if moment is not None:
                connection.execute(
                    "delete from raw.viewing_events where started_at + to_seconds(watch_seconds) > ?",
                    [moment],
                )
            models.build(connection, "feat_next_episode")
            return feature_rows(connection)

    return build


def assert_cut_off_is_the_same(
    build: Callable[..., Features], views: pl.DataFrame, moments: list[datetime]
) -> None:
    """At each moment, all rows up to it are those of the whole log."""
    whole = build(views)
    for moment in moments:
        until = {key: row for key, row in whole.items() if row["as_of"] <= moment}
        cut_off = build(views, moment)
        assert len(until) > 100
        assert cut_off.keys() == until.keys()
        for event_id, row in until.items():
            assert differences(row, cut_off[event_id]) == set(), (moment, event_id)


def test_the_log_cut_at_any_moment_gives_the_same_features(
    built_warehouse: Path, features_of_the_log: Callable[..., Features]
) -> None:
    """Of a third of the viewers; at one moment a view ends while another of the viewer's is still on."""
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        views = read_frame(connection, "from raw.viewing_events where user_id % 3 = 0")
        (overlap,) = connection.execute("""
            select min(inner_view.ended_at)
            from marts.fct_episode_views as inner_view
            inner join marts.fct_episode_views as outer_view
                on inner_view.user_id = outer_view.user_id
                and inner_view.started_at > outer_view.started_at
                and inner_view.ended_at < outer_view.ended_at
            where inner_view.ended_at > '2025-03-15' and not inner_view.is_last_episode
            and inner_view.user_id % 3 = 0
        """).fetchone()
    moments = [datetime(2025, 2, 20, 21, 7), overlap, datetime(2025, 6, 1)]
    assert_cut_off_is_the_same(features_of_the_log, views, moments)


def views_at_a_time(built_warehouse: Path) -> pl.DataFrame:
    """Evenings of 40 viewers with several views on at a time, of two titles each; on half of the evenings the
    next episode of a view of two weeks ago, too, begun just before its window closes."""
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        titles = connection.execute(
            "select anime_id from raw.anime where episodes > 8 order by anime_id limit 400"
        ).fetchall()
        load = connection.execute("select _batch_id, _loaded_at from raw.viewing_events limit 1").fetchone()
    random = np.random.default_rng(3)
    rows: list[tuple[int, str, int, datetime, int]] = []
    for user in range(1, 41):
        evenings: list[list[tuple[int, str, int, datetime, int]]] = []
        for day in range(40):
            picked = random.integers(0, len(titles), 2)
            evening = []
            for _ in range(4):
                at = datetime(2025, 1, 1, 19) + timedelta(days=day, seconds=int(random.integers(0, 7_200)))
                title = titles[random.choice(picked)][0]
                evening.append(
                    (user, title, int(random.integers(1, 4)), at, int(random.integers(900, 7_200)))
                )
            if day >= 14 and random.random() < 0.5:
                _, title, episode, begun_at, _ = evenings[day - 14][0]
                at = begun_at + timedelta(days=14, seconds=-int(random.integers(0, 3_600)))
                evening.append((user, title, episode + 1, at, 7_200))
            evenings.append(evening)
            rows += evening
    names = ["user_id", "anime_id", "episode_number", "started_at", "watch_seconds"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(
        event_id=pl.Series(random.permutation(len(rows))),
        episode_seconds=pl.lit(7_200),
        completion=pl.col("watch_seconds") / 7_200,
        device=pl.lit("tv"),
        _batch_id=pl.lit(load[0]),
        _source_file=pl.lit("f"),
        _row_number=pl.int_range(pl.len()),
        _loaded_at=pl.lit(load[1]),
    )


def test_views_that_overlap_tell_nothing_before_they_end(
    built_warehouse: Path, features_of_the_log: Callable[..., Features]
) -> None:
    views = views_at_a_time(built_warehouse)
    moments = [datetime(2025, 1, day, 20, day) for day in (7, 15, 16, 21, 26, 30)]
    assert_cut_off_is_the_same(features_of_the_log, views, moments)


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
            "(?, ?, ?, ?, cast(? as timestamp), 1200, 1500, 0.8, 'tv', 'b', 'f', ?, '2025-04-01')",
            [(*row, row[0]) for row in HAND_MADE],
        )
        connection.execute(
            "insert into raw.load_manifest by name select 'b' as batch_id, 'viewing' as source,"
            " 'simulated' as origin, 'f' as file_name, '' as sha256, 7 as rows_read, 7 as rows_loaded,"
            " 0 as rows_rejected, 0 as rows_duplicate, '2025-04-01' as loaded_at, 0 as load_seconds,"
            " true as is_current, 1 as load_number, 0 as revision"
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
    assert first["user_effect"] == first["title_effect"] == first["user_log_unwatched_effect"] == 0
    assert first["title_mean_log_unwatched"] is None
    assert first["user_views_per_title"] == 1
    # One title begun in ten hours and twenty minutes, and one more in the week before.
    assert first["user_log_start_rate"] == pytest.approx(math.log(2 / (7 + (10 + 20 / 60) / 24)))
    # A taste that is even over 20 tags, of which the title has one.
    assert first["taste_match"] == pytest.approx(1 / 20)

    # That event 1 is continued shows when event 2 starts; it counts when two weeks are over, as a stop would.
    second = rows[2]
    assert (second["user_known_outcomes_count"], second["user_known_continued_count"]) == (0, 0)
    assert second["user_continuation_rate"] is None
    assert second["run_views_count"] == 1
    assert second["run_hours_since_previous_view"] == pytest.approx(24 - 20 / 60)
    assert second["episodes_remaining"] == 10

    # Ten minutes before two weeks are over, event 2 counts as a view but not as an outcome; event 1 does.
    before = rows[5]
    assert before["user_views_count"] == 2
    assert (before["user_known_outcomes_count"], before["user_known_continued_count"]) == (1, 1)
    # Title statistics are those of the midnight before: events 3 and 4, whose windows are still open.
    assert before["title_views_count"] == 2
    assert (before["title_known_outcomes_count"], before["title_continuation_rate"]) == (0, None)
    # Event 1 is known as continued, but when its window closed nothing told what to expect of it.
    assert before["user_effect"] == before["title_effect"] == 0
    assert before["title_mean_log_unwatched"] == pytest.approx(math.log(0.2))
    assert before["user_views_per_title"] == 3 / 2
    # On the first day one title in four is taken to have a tag: title a speaks for x by 0.2 / (0.2 + 1).
    assert before["taste_match"] == pytest.approx((1 / 6 + 4 * 2 / 20) / (1 / 6 + 4))

    # Twenty minutes on it is known: event 1 continued, 2 stopped; 5, continued by this view, is open.
    after = rows[6]
    assert (after["user_known_outcomes_count"], after["user_known_continued_count"]) == (2, 1)
    assert (after["title_views_count"], after["title_known_outcomes_count"]) == (2, 0)
    # At midnight one of one was known as continued: (1 + 1/2) / (1 + 1) was expected of event 2.
    of_a_stop = -0.75 / (0.75 * 0.25 + 1 / 0.7**2)
    assert after["user_effect"] == pytest.approx(of_a_stop)
    assert after["run_views_count"] == 1

    # By March all is known: of title a's two views one was continued.
    last = rows[7]
    assert last["title_continuation_rate"] == 0.5
    assert last["title_effect"] == pytest.approx(of_a_stop)
    assert last["user_continuation_rate"] == 0.5


def test_effects_and_tastes_are_those_of_the_simulator(built_warehouse: Path) -> None:
    """With a past of thirty outcomes, and taste whatever the past: held against what drove the choices."""
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        (viewers, rates, completions, starts) = connection.execute("""
            select
                corr(user_effect, engagement),
                corr(user_continuation_rate, engagement),
                corr(user_log_unwatched_effect, engagement),
                corr(user_log_start_rate, engagement)
            from marts.feat_next_episode inner join truth.viewers using (user_id)
            where user_known_outcomes_count >= 30
        """).fetchone()
        (titles, unwatched) = connection.execute("""
            select corr(title_effect, quality), corr(title_mean_log_unwatched, quality)
            from marts.feat_next_episode inner join truth.titles using (anime_id)
            where title_known_outcomes_count >= 30
        """).fetchone()
        (tastes,) = connection.execute("""
            with tags as (
                select split(split_part(description, ': ', 2), ', ') as names
                from truth.effects
                where effect = 'taste_order'
            ),

            matches as (
                select user_id, anime_id, sum(coalesce(taste[list_position(names, tag)], 0)) as true_match
                from marts.fct_title_runs
                inner join truth.viewers using (user_id)
                inner join marts.bridge_anime_tags using (anime_id)
                cross join tags
                group by user_id, anime_id
            )

            select corr(taste_match, true_match)
            from intermediate.int_title_runs_taste inner join matches using (user_id, anime_id)
        """).fetchone()
    assert viewers > max(0.65, rates)
    assert completions < -0.45
    assert starts > 0.2
    assert titles > 0.85
    assert unwatched < -0.75
    assert tastes > 0.4
