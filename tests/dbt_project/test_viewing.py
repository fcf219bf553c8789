"""The viewing marts against the simulator's truth, and against libraries that compute the same."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from statsmodels.stats.proportion import proportion_confint

from common.warehouse import open_warehouse


@pytest.fixture
def connection(built_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[duckdb.DuckDBPyConnection]:
    monkeypatch.setenv("WAREHOUSE_PATH", str(built_warehouse))
    with open_warehouse(read_only=True) as opened:
        yield opened


def test_the_label_is_the_truth_wherever_it_is_known(connection: duckdb.DuckDBPyConnection) -> None:
    known, wrong, without_choice = connection.execute("""
        select
            count(has_continued),
            count(*) filter (where views.has_continued <> choices.continued),
            count(*) filter (where views.has_continued is not null and choices.event_id is null)
        from marts.fct_episode_views as views
        left join truth.episode_choices as choices on views.event_id = choices.event_id
    """).fetchone()
    assert known > 20_000
    assert wrong == 0
    assert without_choice == 0


def test_unknown_labels_are_the_last_episodes_and_the_open_windows(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    wrong = connection.execute("""
        select count(*)
        from marts.fct_episode_views
        where (has_continued is null) <> (
            is_last_episode
            or started_at > (select max(started_at) from marts.fct_episode_views) - interval 14 day
        )
    """).fetchone()
    assert wrong == (0,)


def test_survival_by_episode_is_kaplan_meier(connection: duckdb.DuckDBPyConnection) -> None:
    """A run lasts until its first episode that was not continued; where the outcome there is unknown, the
    viewer was last under observation at the episode before."""
    depths = connection.execute("""
        select
            min_by(outcome, episode_number) = 'stopped' as has_stopped,
            min(episode_number) - case when has_stopped then 0 else 1 end as depth
        from marts.fct_episode_views
        where outcome <> 'continued' and not is_rewatch
        group by user_id, anime_id
    """).fetchnumpy()
    curve = connection.execute("""
        select episode_number, survival, survival_low, survival_high
        from marts.rpt_retention_by_episode
        order by episode_number
    """).fetchnumpy()
    fitter = KaplanMeierFitter().fit(depths["depth"], depths["has_stopped"])
    assert len(curve["episode_number"]) > 10
    expected = fitter.survival_function_at_times(curve["episode_number"]).to_numpy()
    np.testing.assert_allclose(curve["survival"], expected, rtol=0, atol=1e-9)
    intervals = fitter.confidence_interval_survival_function_
    interval = intervals.reindex(curve["episode_number"], method="ffill").to_numpy()
    np.testing.assert_allclose(curve["survival_low"], interval[:, 0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(curve["survival_high"], interval[:, 1], rtol=0, atol=1e-9)


def test_rates_have_wilson_intervals(connection: duckdb.DuckDBPyConnection) -> None:
    rows = connection.execute("""
        select continued_count, at_risk_count, continuation_rate_low, continuation_rate_high
        from marts.rpt_retention_by_episode
        union all
        select finished_count, finishable_count, finished_rate_low, finished_rate_high
        from marts.rpt_top_titles
    """).fetchall()
    assert len(rows) > 20
    for successes, trials, low, high in rows:
        expected = proportion_confint(successes, trials, method="wilson")
        assert (low, high) == pytest.approx(expected, abs=1e-12)


def test_viewers_who_never_watched_are_kept(connection: duckdb.DuckDBPyConnection) -> None:
    counted, active = connection.execute(
        "select count(*), count(*) filter (where views_count > 0) from marts.dim_viewers"
    ).fetchone()
    (signed_up,) = connection.execute("select count(*) from raw.viewing_viewers").fetchone()
    (watched,) = connection.execute("select count(distinct user_id) from raw.viewing_events").fetchone()
    assert (counted, active) == (signed_up, watched)


def test_splits_follow_time_and_labels_are_known_when_their_split_ends(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    spans = {
        split: (first, last, known)
        for split, first, last, known in connection.execute("""
            select features.split, min(features.as_of), max(features.as_of), max(views.outcome_known_at)
            from marts.feat_next_episode as features
            inner join marts.fct_episode_views as views on features.event_id = views.event_id
            group by features.split
        """).fetchall()
    }
    assert set(spans) == {"train", "validation", "test", "embargo", "open"}
    assert spans["train"][2] <= spans["validation"][0]
    assert spans["validation"][2] <= spans["test"][0]


def test_files_open_in_older_clients(connection: duckdb.DuckDBPyConnection) -> None:
    (version,) = connection.execute(
        "select tags['storage_version'] from duckdb_databases() where database_name = current_database()"
    ).fetchone()
    assert version.startswith("v1.4.0")
