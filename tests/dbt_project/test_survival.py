"""Survival curves, their intervals and medians, and log-rank: equal to those of lifelines."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test
from lifelines.utils import median_survival_times
from scipy import stats

from common.warehouse import open_warehouse
from tests.compiled_models import CompiledModels, read_frame
from tests.dbt_project.event_logs import movielens_log, user_dates

HORIZON = timedelta(days=28)


@pytest.fixture
def connection(built_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    monkeypatch.setenv("WAREHOUSE_PATH", str(built_warehouse))
    with open_warehouse(read_only=True) as opened:
        yield opened


def observed(users: dict[str, list[date]]) -> dict[str, tuple[int, bool]]:
    """Duration in days and whether it ended, of each user who came while that could be told."""
    last_known = max(days[-1] for days in users.values()) - HORIZON - timedelta(days=1)
    found = {}
    for user, days in users.items():
        if days[0] <= last_known:
            found[user] = ((min(days[-1], last_known) - days[0]).days, days[-1] <= last_known)
    return found


def assert_equal_to_lifelines(curve: pl.DataFrame, durations: list[int], ended: list[bool]) -> None:
    fitter = KaplanMeierFitter().fit(durations, ended)
    curve = curve.sort("time")
    times = curve["time"].to_numpy()
    table = fitter.event_table
    assert times.tolist() == [int(time) for time in table.index]
    for column, name in (
        ("at_risk_count", "at_risk"),
        ("ended_count", "observed"),
        ("censored_count", "censored"),
    ):
        assert curve[column].to_list() == table[name].to_list(), column
    expected = fitter.survival_function_.to_numpy()[:, 0]
    np.testing.assert_allclose(curve["survival"].to_numpy(), expected, rtol=0, atol=1e-9)
    intervals = fitter.confidence_interval_.to_numpy()
    inside = (expected > 1e-12) & (expected < 1)
    for column, side in (("survival_low", 0), ("survival_high", 1)):
        found = curve[column].to_numpy()[inside].astype(float)
        np.testing.assert_allclose(found, intervals[inside, side], rtol=0, atol=1e-9)


def curve_of(rows: pl.DataFrame, name: str, value: str) -> pl.DataFrame:
    return rows.filter((pl.col("segment_name") == name) & (pl.col("segment_value") == value))


def test_time_to_churn_is_kaplan_meier_on_the_viewing_log(connection: duckdb.DuckDBPyConnection) -> None:
    rows = read_frame(connection, "from marts.fct_survival where source = 'viewing'")
    views = read_frame(connection, "select user_id, started_at as occurred_at from raw.viewing_events")
    users = observed(user_dates(views))
    durations, ended = zip(*users.values(), strict=True)
    assert_equal_to_lifelines(curve_of(rows, "all", "all"), list(durations), list(ended))
    channels = dict(
        connection.execute("select user_id, acquisition_channel from raw.viewing_viewers").fetchall()
    )
    for channel in set(channels.values()):
        of_channel = [pair for user, pair in users.items() if channels[user] == channel]
        durations, ended = zip(*of_channel, strict=True)
        assert_equal_to_lifelines(curve_of(rows, "channel", channel), list(durations), list(ended))


def test_medians_are_those_of_lifelines(connection: duckdb.DuckDBPyConnection) -> None:
    views = read_frame(connection, "select user_id, started_at as occurred_at from raw.viewing_events")
    durations, ended = zip(*observed(user_dates(views)).values(), strict=True)
    fitter = KaplanMeierFitter().fit(durations, ended)
    found = connection.execute("""
        select median_time, median_time_low, median_time_high from marts.rpt_survival_medians
        where source = 'viewing' and segment_name = 'all'
    """).fetchone()
    low, high = median_survival_times(fitter.confidence_interval_).to_numpy()[0]
    assert found == (fitter.median_survival_time_, low, high)


def test_log_rank_is_that_of_lifelines(connection: duckdb.DuckDBPyConnection) -> None:
    views = read_frame(connection, "select user_id, started_at as occurred_at from raw.viewing_events")
    users = observed(user_dates(views))
    channels = dict(
        connection.execute("select user_id, acquisition_channel from raw.viewing_viewers").fetchall()
    )
    groups: dict[str, list[tuple[int, bool]]] = {}
    for user, pair in users.items():
        groups.setdefault(channels[user], []).append(pair)
    rows = connection.execute("""
        select segment_value, other_segment_value, chi_square, p_value, is_different
        from marts.rpt_survival_logrank where source = 'viewing' and segment_name = 'channel'
    """).fetchall()
    assert len(rows) == 10
    for first, second, chi_square, p_value, is_different in rows:
        ((a, a_ended), (b, b_ended)) = (zip(*groups[name], strict=True) for name in (first, second))
        expected = logrank_test(a, b, a_ended, b_ended)
        assert chi_square == pytest.approx(expected.test_statistic, rel=1e-9, abs=1e-9)
        assert p_value == pytest.approx(expected.p_value, rel=2e-7)
        assert is_different == (expected.p_value < 0.05)


def test_the_p_value_is_the_tail_of_chi_square(built_warehouse: Path) -> None:
    """The macro's fit over the whole range, taken out of the compiled model."""
    sql = CompiledModels(built_warehouse.parent / "dbt" / "manifest.json").sql("rpt_survival_logrank")
    expression = sql[sql.index("cast((1 / (1 +") : sql.index(" as p_value")]
    at = [0.0, 1e-6, 0.01, 0.4549, 1.0, 2.7055, 3.8415, 6.6349, 10.8276, 40.0, 300.0]
    with duckdb.connect() as connection:
        tested = pl.DataFrame({"chi_square": at})
        connection.register("tested", tested.to_arrow())
        found = connection.execute(f"select {expression} from tested").fetchall()
    np.testing.assert_allclose([value for (value,) in found], stats.chi2.sf(at, 1), rtol=1.2e-7)


def test_depth_is_kaplan_meier(connection: duckdb.DuckDBPyConnection) -> None:
    rows = read_frame(connection, "from marts.fct_survival where curve = 'depth'")
    titles = rows["segment_value"].unique().to_list()
    assert len(titles) == 20
    for title in titles[:5]:
        # The first episode of a run that was not continued; where that can't be known, the one before.
        runs = connection.execute(
            "select min(episode_number), min_by(outcome, episode_number) from marts.fct_episode_views"
            " where anime_id = ? and not is_rewatch and outcome <> 'continued' group by user_id",
            [title],
        ).fetchall()
        ended = [outcome == "stopped" for _, outcome in runs]
        durations = [episode - (not stopped) for (episode, _), stopped in zip(runs, ended, strict=True)]
        assert_equal_to_lifelines(curve_of(rows, "title", title), durations, ended)


def test_a_title_has_one_survival_by_episode(connection: duckdb.DuckDBPyConnection) -> None:
    """Episode for episode, the curve of depth is that of retention by episode."""
    rows = connection.execute("""
        select
            by_episode.anime_id,
            by_episode.episode_number,
            max_by(curve.survival, curve.time),
            by_episode.survival,
            count(*) filter (where curve.time = by_episode.episode_number
                and (curve.at_risk_count, curve.ended_count)
                <> (by_episode.at_risk_count, by_episode.stopped_count))
        from marts.fct_retention_by_episode as by_episode
        inner join marts.fct_survival as curve
            on by_episode.anime_id = curve.segment_value and by_episode.episode_number >= curve.time
        where curve.curve = 'depth' and by_episode.at_risk_count > 0
        group by all
    """).fetchall()
    assert len(rows) > 150
    for title, episode, by_depth, by_episode, others_counted in rows:
        assert by_depth == pytest.approx(by_episode, abs=1e-12), (title, episode)
        assert others_counted == 0, (title, episode)


def test_half_of_four_users_are_gone_after_the_second(built_warehouse: Path) -> None:
    """3/4 x 2/3 is one half, though not to the last bit of a float."""
    models = CompiledModels(built_warehouse.parent / "dbt" / "manifest.json")
    with duckdb.connect() as database:
        models.provide(
            database,
            "int_survival_durations",
            "select 'time_to_churn' as curve, 'log' as source, 'all' as segment_name, 'all' as segment_value,"
            " cast(range as integer) as duration, cast(1 as bigint) as ended_count,"
            " cast(0 as bigint) as censored_count from range(4)",
        )
        models.provide(database, "dim_anime", "select '' as anime_id, '' as title where false")
        models.build(database, "rpt_survival_medians")
        found = database.execute(
            "select median_time, median_time_low, median_time_high"
            f" from {models.relation('rpt_survival_medians')}"
        ).fetchone()
    fitter = KaplanMeierFitter().fit([0, 1, 2, 3], [True] * 4)
    low, high = median_survival_times(fitter.confidence_interval_).to_numpy()[0]
    assert found == (1, low, high)
    assert fitter.median_survival_time_ == 1


def test_survival_and_log_rank_on_the_real_log(built_warehouse: Path, shared_data: Path) -> None:
    models = CompiledModels(built_warehouse.parent / "dbt" / "manifest.json")
    events = movielens_log(shared_data / "ml-latest-small")
    groups = {user: "odd" if int(user) % 2 else "even" for user in events["user_id"].unique()}
    segments = pl.DataFrame(
        {
            "source": ["movielens"] * len(groups),
            "user_id": list(groups),
            "segment_name": ["half"] * len(groups),
            "segment_value": list(groups.values()),
        }
    )
    with duckdb.connect() as database:
        models.provide_events(database, events)
        models.provide(database, "int_user_segments", segments)
        models.provide(
            database,
            "fct_episode_views",
            "select 1 as user_id, 'a' as anime_id, 1 as episode_number, false as is_rewatch, '' as outcome"
            " where false",
        )
        models.build(database, "fct_survival", "rpt_survival_logrank")
        rows = read_frame(database, f"from {models.relation('fct_survival')}")
        logrank = database.execute(
            f"select chi_square, p_value from {models.relation('rpt_survival_logrank')}"
            " where segment_name = 'half'"
        ).fetchall()
    users = observed(user_dates(events))
    halves = {half: [users[user] for user in users if groups[user] == half] for half in ("even", "odd")}
    (durations, ended) = zip(*users.values(), strict=True)
    assert len(durations) > 590
    assert_equal_to_lifelines(curve_of(rows, "all", "all"), list(durations), list(ended))
    for half, pairs in halves.items():
        durations, ended = zip(*pairs, strict=True)
        assert_equal_to_lifelines(curve_of(rows, "half", half), list(durations), list(ended))
    ((a, a_ended), (b, b_ended)) = (zip(*halves[half], strict=True) for half in ("even", "odd"))
    expected = logrank_test(a, b, a_ended, b_ended)
    assert logrank == [
        (
            pytest.approx(expected.test_statistic, rel=1e-9, abs=1e-9),
            pytest.approx(expected.p_value, rel=2e-7),
        )
    ]
