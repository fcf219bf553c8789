"""The whole training, on worlds whose best possible score is known."""

import json
import multiprocessing
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from worlds import copy_warehouse, fetch, load_world, make_world

from common.errors import UserError
from common.warehouse import open_warehouse
from ml import records, train
from ml.evaluation.metrics import evaluate
from ml.features import read_features
from ml.run import Inputs, train_study
from ml.store import load_model
from ml.tasks import BY_TIME, NEXT_EPISODE, Study

TABLE_QUERIES = {
    "model_runs": "select * exclude (trained_at, train_seconds, model_file) from ml.model_runs order by all",
    "metrics": "select * from ml.metrics order by all",
    "scores": "select * from ml.scores order by all",
    **{
        name: f"select * from ml.{name} order by all"
        for name in ("feature_importance", "shap_values", "curves", "slices", "drift", "audits")
    },
}
STUDY = Study(NEXT_EPISODE, "viewing", BY_TIME)


def metrics(path: Path, split: str = "test") -> dict[tuple[str, str], tuple[float, float, float]]:
    rows = fetch(
        path, f"select estimator, metric, value, ci_low, ci_high from ml.metrics where split = '{split}'"
    )
    return {(estimator, name): tuple(values) for estimator, name, *values in rows}


def test_all_estimators_stand_beside_the_oracle(trained: Path) -> None:
    found = metrics(trained)
    for estimator in ("baseline", "logistic", "boosting", "oracle"):
        for name in ("roc_auc", "average_precision", "log_loss", "brier", "rmse", "ece", "accuracy", "f1"):
            value, low, high = found[estimator, name]
            assert 0 <= value <= 1 and low < high
        assert found[estimator, "rows_count"][0] > 900
    [(chosen,)] = fetch(trained, "select estimator from ml.model_runs")
    assert (chosen, "roc_auc") in metrics(trained, "train")


def test_models_are_better_than_the_baseline_and_below_the_oracle(trained: Path) -> None:
    found = metrics(trained)
    for estimator in ("logistic", "boosting"):
        assert found["baseline", "roc_auc"][0] + 0.15 < found[estimator, "roc_auc"][0]
        gap, low, high = found[estimator, "roc_auc_minus_oracle"]
        assert -0.08 < gap < 0 and low < gap < high
        assert found[estimator, "log_loss_minus_oracle"][0] > 0
        assert 0.5 < found[estimator, "share_of_oracle_gain"][0] < 1
        assert found[estimator, "ece"][0] < 0.05
        low, high = found[estimator, "calibration_slope"][1:]
        assert low < 1 < high


def test_point_values_are_those_of_the_scores_table(trained: Path) -> None:
    rows = np.array(
        fetch(
            trained,
            "select label::double, probability from ml.scores where split = 'test' order by entity_id",
        )
    )
    expected = evaluate(rows[:, 0], {"any": rows[:, 1]}, np.arange(len(rows)), seed=0)["any"]
    [(chosen,)] = fetch(trained, "select estimator from ml.model_runs")
    found = metrics(trained)
    for name, values in expected.items():
        # How sure an error of calibration is depends on who gave the rows.
        if name != "ece":
            assert found[chosen, name][0] == pytest.approx(values[0])


def test_every_row_of_the_mart_is_scored_once(trained: Path) -> None:
    [(missing, scored, entities)] = fetch(
        trained,
        "select count(*) filter (scores.entity_id is null), count(scores.entity_id), "
        "count(distinct scores.entity_id) from marts.feat_next_episode as mart full join ml.scores as scores "
        "on scores.entity_id = mart.event_id::varchar and scores.split = mart.split "
        "and scores.as_of = mart.as_of and scores.label is not distinct from mart.label",
    )
    assert (missing, scored, entities) == (0, 6000, 6000)
    [(low, high)] = fetch(trained, "select min(probability), max(probability) from ml.scores")
    assert 0 < low < high < 1


def test_rows_without_a_known_label_are_never_evaluated(trained: Path) -> None:
    [(known,)] = fetch(
        trained, "select count(*) from marts.feat_next_episode where split = 'test' and label is not null"
    )
    assert metrics(trained)["boosting", "rows_count"][0] == known
    assert fetch(trained, "select distinct split from ml.metrics order by 1") == [("test",), ("train",)]


def test_importance_finds_what_the_world_is_made_of(trained: Path) -> None:
    rows = fetch(trained, "select feature, importance_mean from ml.feature_importance order by 2 desc")
    assert {name for name, _ in rows} == set(NEXT_EPISODE.features)
    assert {name for name, _ in rows[:4]} == {
        "user_effect",
        "title_score",
        "completion",
        "is_weekend",
    }
    assert all(abs(mean) < 0.02 for name, mean in rows[5:])


def test_the_run_is_recorded_and_its_model_can_be_loaded(trained: Path, monkeypatch) -> None:
    [(run_id, names, versions, model_file, train_to, test_from)] = fetch(
        trained,
        "select run_id, feature_names, library_versions, model_file, train_to, test_from from ml.model_runs",
    )
    assert json.loads(names) == list(NEXT_EPISODE.features)
    assert "scikit-learn" in json.loads(versions)
    assert train_to < test_from
    stored = load_model(trained.parent / model_file)
    assert stored.description["run_id"] == run_id
    assert stored.description["numeric"] + stored.description["categorical"] == list(NEXT_EPISODE.features)
    monkeypatch.setenv("WAREHOUSE_PATH", str(trained))
    with open_warehouse(read_only=True) as connection:
        table = read_features(connection, STUDY)
    rows = fetch(trained, "select entity_id, probability from ml.scores")
    probabilities = dict(rows)
    expected = [probabilities[key] for key in table.rows["entity_id"]]
    np.testing.assert_array_equal(stored.predict(table.features), expected)


def test_the_same_command_gives_the_same_rows_in_place_of_the_old(
    trained: Path, warehouse: Path, world: pl.DataFrame
) -> None:
    copy_warehouse(trained, warehouse)
    load_world(world.sample(fraction=1, shuffle=True, seed=1))
    with open_warehouse() as connection:
        connection.execute("update ml.metrics set value = 0")
        connection.execute("delete from ml.scores where split = 'test'")
    train.main(["--task", "next_episode"])
    for query in TABLE_QUERIES.values():
        assert fetch(warehouse, query) == fetch(trained, query)


def test_without_a_true_probability_there_is_no_oracle_and_no_verdict(
    warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_world(make_world(users=120))
    with open_warehouse() as connection:
        connection.execute("delete from truth.episode_choices")
    train.main(["--task", "next_episode"])
    found = metrics(warehouse)
    assert not [key for key in found if "oracle" in key[0] or "oracle" in key[1]]
    assert "oracle" not in capsys.readouterr().out


@pytest.fixture(scope="module")
def run(trained: Path) -> records.TrainingRun:
    """A run on the same data as `trained`'s, with another seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(trained))
        with open_warehouse(read_only=True) as connection:
            table = read_features(connection, STUDY)
    return train_study(Inputs(table), seed=1)


def test_a_run_with_another_seed_stands_beside_the_first(
    run: records.TrainingRun, trained: Path, warehouse: Path
) -> None:
    copy_warehouse(trained, warehouse)
    with open_warehouse() as connection:
        records.write_runs(connection, [run])
    for table in ("model_runs", "metrics", "scores", "feature_importance"):
        counts = fetch(warehouse, f"select run_id, count(*) from ml.{table} group by all")
        assert len(counts) == 2 and len({count for _, count in counts}) == 1


def test_a_run_stands_beside_the_one_before_it(trained: Path, warehouse: Path) -> None:
    copy_warehouse(trained, warehouse)
    [(first,)] = fetch(warehouse, "select run_id from ml.model_runs")
    with open_warehouse() as connection:
        # Another model's scores: those of the first, taken half way to a half.
        connection.execute("update ml.scores set probability = 0.25 + probability / 2")
    train.main(["--task", "next_episode", "--seed", "1"])
    rows = fetch(
        warehouse,
        "select other_run_id, metric, difference, ci_low, ci_high from ml.run_comparisons order by 2",
    )
    assert {other for other, *_ in rows} == {first} and len(rows) == 6
    differences = {metric: values for _, metric, *values in rows}
    assert differences["roc_auc"] == [0, 0, 0] and differences["log_loss"][2] < 0
    query = "select avg(case when label then -ln(probability) else -ln(1 - probability) end) from ml.scores "
    [(loss,)], [(before,)] = (
        fetch(warehouse, query + f"where split = 'test' and label is not null and run_id {sign} '{first}'")
        for sign in ("<>", "=")
    )
    assert differences["log_loss"][0] == pytest.approx(loss - before, abs=1e-9)
    before_again = fetch(warehouse, TABLE_QUERIES["metrics"])
    train.main(["--task", "next_episode", "--seed", "1"])
    assert fetch(warehouse, TABLE_QUERIES["metrics"]) == before_again


def test_what_a_run_has_nothing_to_say_of_is_left_empty(
    run: records.TrainingRun, trained: Path, warehouse: Path
) -> None:
    """As of a log whose users have no plan, or of a first run with none to compare with."""
    copy_warehouse(trained, warehouse)
    nothing = {"trait_effects": pl.DataFrame(), "run_comparisons": pl.DataFrame()}
    with open_warehouse() as connection:
        records.write_runs(connection, [replace(run, frames=run.frames | nothing)])
    assert fetch(
        warehouse,
        "select count(*) from ml.trait_effects union all from (select count(*) from ml.run_comparisons)",
    ) == [(0,), (0,)]


def write_until_killed(run: records.TrainingRun) -> None:
    """Write `run`, and die once most tables are written."""
    insert = records._insert

    def insert_or_die(connection, name, *rest) -> None:
        if name == "feature_importance":
            os._exit(9)
        insert(connection, name, *rest)

    records._insert = insert_or_die
    with open_warehouse() as connection:
        records.write_runs(connection, [run])


def test_the_next_run_clears_the_models_of_runs_that_were_killed(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_world(make_world(users=120))
    models = warehouse.parent / "test.models"

    def be_killed(*_: object) -> None:
        raise KeyboardInterrupt

    train.main(["--task=next_episode", "--seed=1"])
    [first] = models.iterdir()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train, "write_runs", be_killed)
        train.main(["--task=next_episode", "--seed=2"])
    [killed] = set(models.iterdir()) - {first}
    for name in ("of-the-user.txt", ".next_episode-0123456789ab.skops.1"):
        (models / name).touch()
    train.main(["--task=next_episode", "--seed=3"])
    recorded = {
        warehouse.parent / name for (name,) in fetch(warehouse, "select model_file from ml.model_runs")
    }
    assert first in recorded and killed not in recorded
    assert set(models.iterdir()) == recorded | {models / "of-the-user.txt"}


def test_no_model_is_written_while_another_program_holds_the_warehouse(
    trained: Path, warehouse: Path, run: records.TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_warehouse(trained, warehouse)
    # Others may read beside it while it reads, but none may write when it does.
    monkeypatch.setattr(train, "train_study", lambda *_: run)
    code = f"import duckdb; c = duckdb.connect({str(warehouse)!r}, read_only=True); print(); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as reader:
        reader.stdout.readline()
        with pytest.raises(UserError, match="is in use by"):
            train.main(["--task", "next_episode"])
        reader.communicate("\n")
    assert not (warehouse.parent / "test.models").exists()


def test_a_process_killed_while_writing_leaves_the_tables_as_they_were(
    run: records.TrainingRun, trained: Path, warehouse: Path
) -> None:
    copy_warehouse(trained, warehouse)
    process = multiprocessing.get_context("spawn").Process(target=write_until_killed, args=(run,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    for query in TABLE_QUERIES.values():
        assert fetch(warehouse, query) == fetch(trained, query)


def test_a_write_that_fails_leaves_the_tables_as_they_were(
    run: records.TrainingRun, trained: Path, warehouse: Path
) -> None:
    copy_warehouse(trained, warehouse)
    broken = run.frames["feature_importance"].with_columns(importance_mean=None)
    run = replace(run, frames=run.frames | {"feature_importance": broken})
    with open_warehouse() as connection:
        with pytest.raises(Exception, match="NOT NULL"):
            records.write_runs(connection, [run])
        assert connection.execute("select count(*) from ml.model_runs").fetchall() == [(1,)]
    for query in TABLE_QUERIES.values():
        assert fetch(warehouse, query) == fetch(trained, query)


def test_the_summary_says_what_was_found_and_where(
    warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_world(make_world(users=120))
    train.main(["--task", "next_episode"])
    summary = capsys.readouterr().out
    for text in (
        "train ",
        "oracle",
        "audit    ok",
        "roc_auc",
        "minus oracle",
        "test.models",
        "seconds",
        "reports.build",
    ):
        assert text in summary
    assert "!!" not in summary


@pytest.mark.parametrize("seed", ["-1", "4294967296", "1.5", "many"])
def test_a_seed_that_is_none_is_refused(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        train.main([f"--seed={seed}"])
    assert stop.value.code == 2
    assert f"'{seed}' is no whole number from 0 to 4294967295" in capsys.readouterr().err
