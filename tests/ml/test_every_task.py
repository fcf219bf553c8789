"""All tasks on the project's own data: what was trained, what the audit says, what stands beside them."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

from common.errors import run_command
from common.warehouse import open_warehouse
from ml import audit, train
from ml.evaluation import metrics
from ml.tasks import TASKS
from tests.ml.worlds import copy_warehouse
from tests.pipeline import run_dbt

HONEST = [task.name for task in TASKS if task.label_kind != "circular"]


@pytest.fixture(scope="module")
def built(built_warehouse: Path):
    with duckdb.connect(str(built_warehouse), read_only=True) as connection:
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple]:
    return connection.execute(query).fetchall()


def test_every_task_is_trained_for_each_source_and_splitter(built) -> None:
    found = rows(built, "select task, source, splitter from marts.rpt_model_runs order by all")
    assert found == [
        ("game_play", "steam", "user"),
        ("next_episode", "viewing", "time"),
        ("player_churn", "steam", "user"),
        ("player_churn_circular", "steam", "user"),
        ("rating_engagement", "movielens", "global_time"),
        ("rating_engagement", "movielens", "last_fifth"),
        ("rating_engagement", "movielens", "last_rating"),
        ("session_conversion", "clickstream", "time"),
        ("user_churn", "clickstream", "time"),
        ("user_churn", "movielens", "time"),
        ("user_churn", "viewing", "time"),
    ]


def test_the_audit_is_silent_on_honest_tasks_and_names_the_circular_one(built) -> None:
    found = rows(
        built, "select task, check_name, verdict from marts.rpt_model_audit where is_finding order by all"
    )
    assert {task for task, *_ in found} == {"player_churn_circular"}
    assert ("player_churn_circular", "all_features", "circular") in found
    checks = rows(built, "select distinct check_name from marts.rpt_model_audit")
    assert {"above_ceiling", "above_oracle", "single_feature", "feature_shift", "split"} <= {
        name for (name,) in checks
    }


def test_no_model_is_above_the_ceiling_and_the_ceiling_is_below_the_oracle(built) -> None:
    found = dict(
        rows(
            built,
            "select estimator, value from marts.rpt_model_metrics "
            "where task = 'next_episode' and split = 'test' and metric = 'log_loss'",
        )
    )
    assert found["oracle"] < found["ceiling"] < found["logistic"] < found["baseline"]
    assert found["ceiling"] < found["boosting"]
    [(share, low, high)] = rows(
        built,
        "select value, ci_low, ci_high from ml.metrics inner join ml.model_runs using (run_id, estimator) "
        "where metric = 'share_of_ceiling_gain' and split = 'test' and metrics.task = 'next_episode'",
    )
    assert 0.85 < low < share < high < 1


def test_every_figure_has_an_interval_that_holds_it(built) -> None:
    found = rows(
        built,
        "select task, estimator, metric, value, ci_low, ci_high from marts.rpt_model_metrics "
        "where split = 'test' and metric not in ('ece') and task <> 'player_churn_circular'",
    )
    assert len(found) > 300
    for *_, value, low, high in found:
        assert low <= value <= high


def test_the_doubly_robust_effect_holds_the_planted_one_and_the_naive_does_not(built) -> None:
    found = dict(rows(built, "select method, has_planted_effect_in_interval from marts.rpt_trait_effects"))
    assert found == {"naive": False, "logistic": True, "doubly_robust": True}


def test_users_have_an_outlook_as_of_the_newest_date(built) -> None:
    [(users, dates, alive, days)] = rows(
        built,
        "select count(*), count(distinct as_of), avg(p_alive), avg(expected_active_days) "
        "from staging.stg_ml__user_outlooks where source = 'viewing'",
    )
    [(expected,)] = rows(
        built,
        "select count(*) from marts.feat_user_churn where source = 'viewing' "
        "and as_of_date = (select max(as_of_date) from marts.feat_user_churn where source = 'viewing')",
    )
    assert (users, dates) == (expected, 1) and 0 < alive < 1 and days > 0


def test_models_are_carried_between_sources(built) -> None:
    found = pl.DataFrame(
        rows(
            built,
            "select trained_on, tested_on, is_own, value, minus_own from marts.rpt_sim2real_models "
            "where metric = 'roc_auc'",
        ),
        schema=["trained_on", "tested_on", "is_own", "value", "minus_own"],
        orient="row",
    )
    sources = {"viewing", "movielens", "clickstream"}
    assert set(found.select("trained_on", "tested_on").rows()) == {(a, b) for a in sources for b in sources}
    own = dict(found.filter("is_own").select("tested_on", "value").rows())
    for row in found.filter(~pl.col("is_own")).to_dicts():
        assert row["minus_own"] == pytest.approx(row["value"] - own[row["tested_on"]], abs=1e-9)
    assert found.filter("is_own")["minus_own"].null_count() == 3


def test_importance_of_the_circular_label_is_in_one_feature(built) -> None:
    spread = dict(rows(built, "select distinct task, effective_features from marts.rpt_importance_profiles"))
    assert spread["player_churn_circular"] < 1.2 < 2 < spread["next_episode"]


def test_a_build_after_a_training_passes(built_warehouse: Path, warehouse: Path, tmp_path: Path) -> None:
    """The data tests of what training writes, which an untrained warehouse passes for want of rows."""
    copy_warehouse(built_warehouse, warehouse)
    folders = [f"path:dbt_project/models/{name}" for name in ("staging/ml", "marts/reports")]
    run_dbt("test", tmp_path, "--select", *folders)


def test_a_task_that_fails_costs_no_other_its_run(
    built_warehouse: Path, warehouse: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    copy_warehouse(built_warehouse, warehouse)
    monkeypatch.setattr(metrics, "RESAMPLES", 20)
    with open_warehouse() as connection:
        connection.execute("drop table marts.feat_game_play")
        connection.execute("delete from marts.feat_player_churn where split = 'validation'")
        connection.execute("delete from marts.feat_session_conversion")
        connection.execute("delete from ml.model_runs")
    chosen = ("game_play", "player_churn", "player_churn_circular", "session_conversion")
    monkeypatch.setattr(
        train, "TASKS", tuple(task for task in TASKS if task.name in (*chosen, "rating_engagement"))
    )
    with open_warehouse() as connection:
        connection.execute("delete from marts.feat_rating_engagement where user_id > 60")
    assert run_command(lambda: train.main([])) == 2
    told = capsys.readouterr()
    assert "game_play: marts.feat_game_play does not exist: run `dbt build` first" in told.err
    assert "skipped  marts.feat_player_churn has 0 validation rows" in told.out
    assert "skipped  session_conversion: no time-stamped log is loaded" in told.out
    with open_warehouse(read_only=True) as connection:
        trained = rows(connection, "select distinct task from ml.model_runs")
    assert trained == [("rating_engagement",)]


def test_a_feature_that_sees_past_its_moment_is_found_by_cutting_the_log(
    built_warehouse: Path, warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_warehouse(built_warehouse, warehouse)
    with open_warehouse() as connection:
        # As a forerunner had it: the movie's mean over the whole log.
        connection.execute("""
            update marts.feat_rating_engagement as features
            set movie_mean_rating = means.mean
            from (select movie_id, avg(rating) as mean from marts.fct_ratings group by movie_id) as means
            where features.movie_id = means.movie_id
        """)
    audit.main(["--task", "rating_engagement", "--cuts", "1"])
    assert "rating_engagement: leak     movie_mean_rating is another on " in capsys.readouterr().out
    query = "select splitter, subject, verdict from marts.rpt_model_audit where check_name = 'as_of'"
    with open_warehouse(read_only=True) as connection:
        found = rows(connection, query)
    splitters = ("global_time", "last_fifth", "last_rating")
    assert sorted(found) == [(splitter, "movie_mean_rating", "leak") for splitter in splitters]
