"""The whole training, on worlds whose best possible score is known."""

import json
import math
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from worlds import copy_warehouse, fetch, load_world, make_world

from common.errors import UserError
from common.warehouse import open_warehouse
from ml import records, train
from ml.features import read_features
from ml.importance import circular_features
from ml.metrics import evaluate
from ml.store import load_model
from ml.tasks import NEXT_EPISODE

TABLE_QUERIES = {
    "model_runs": "select * exclude (trained_at, train_seconds, model_file) from ml.model_runs order by all",
    "metrics": "select * from ml.metrics order by all",
    "scores": "select * from ml.scores order by all",
    "feature_importance": "select * from ml.feature_importance order by all",
}


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
    assert ("boosting", "roc_auc") in metrics(trained, "train")


def test_models_are_better_than_the_baseline_and_below_the_oracle(trained: Path) -> None:
    found = metrics(trained)
    for estimator in ("logistic", "boosting"):
        assert found["baseline", "roc_auc"][0] + 0.15 < found[estimator, "roc_auc"][0]
        gap, low, high = found[estimator, "roc_auc_minus_oracle"]
        assert -0.08 < gap < 0 and low < gap < high
        assert found[estimator, "log_loss_minus_oracle"][0] > 0
        assert 0.5 < found[estimator, "share_of_oracle_gain"][0] < 1
        assert found[estimator, "is_above_oracle"] == (0.0, None, None)
        assert found[estimator, "ece"][0] < 0.05
    assert found["boosting", "is_label_circular"][0] == 0.0


def test_point_values_are_those_of_the_scores_table(trained: Path) -> None:
    rows = np.array(
        fetch(
            trained,
            "select label::double, probability from ml.scores where split = 'test' order by entity_id",
        )
    )
    expected = evaluate(rows[:, 0], {"boosting": rows[:, 1]}, np.arange(len(rows)), seed=0)["boosting"]
    found = metrics(trained)
    for name, values in expected.items():
        assert found["boosting", name][0] == pytest.approx(values[0])


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
    assert {split for (split,) in fetch(trained, "select distinct split from ml.metrics")} == {
        "train",
        "test",
    }


def test_importance_finds_what_the_world_is_made_of(trained: Path) -> None:
    rows = fetch(trained, "select feature, importance_mean from ml.feature_importance order by 2 desc")
    assert {name for name, _ in rows} == set(NEXT_EPISODE.features)
    assert {name for name, _ in rows[:4]} == {
        "user_continuation_rate",
        "title_score",
        "completion",
        "device",
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
    assert stored.description["feature_names"] == list(NEXT_EPISODE.features)
    monkeypatch.setenv("WAREHOUSE_PATH", str(trained))
    with open_warehouse(read_only=True) as connection:
        table = read_features(connection, NEXT_EPISODE)
    rows = fetch(trained, "select entity_id, probability from ml.scores")
    probabilities = dict(rows)
    expected = [probabilities[key] for key in table.rows["entity_id"]]
    np.testing.assert_array_equal(stored.predict(table.matrix), expected)


def test_the_same_command_gives_the_same_rows_in_place_of_the_old(
    trained: Path, warehouse: Path, world: pl.DataFrame
) -> None:
    copy_warehouse(trained, warehouse)
    load_world(world.sample(fraction=1, shuffle=True, seed=1))
    with open_warehouse() as connection:
        connection.execute("update ml.metrics set value = 0")
        connection.execute("delete from ml.scores where split = 'test'")
    train.main([])
    for query in TABLE_QUERIES.values():
        assert fetch(warehouse, query) == fetch(trained, query)


def test_a_model_that_sees_the_answer_is_reported_as_a_leak(
    warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world(users=120)
    noise = np.random.default_rng(0).normal(0, 0.5, len(world))
    load_world(world.with_columns(taste_match=pl.col("label").fill_null(False).cast(pl.Float64) + noise))
    train.main([])
    found = metrics(warehouse)
    assert found["boosting", "is_above_oracle"][0] == 1.0
    assert found["baseline", "is_above_oracle"][0] == 0.0
    assert found["boosting", "is_label_circular"][0] == 0.0
    assert "LEAK: boosting" in capsys.readouterr().out


def test_a_label_made_of_a_feature_is_reported_as_circular(
    warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world(users=120)
    label = pl.col("label").fill_null(False)
    load_world(world.with_columns(run_views_count=pl.when(label).then(2.0).otherwise(9.0)))
    train.main([])
    assert metrics(warehouse)["boosting", "is_label_circular"][0] == 1.0
    assert "CIRCULAR: run_views_count" in capsys.readouterr().out


def test_a_feature_that_is_null_for_one_label_is_circular(warehouse: Path, world: pl.DataFrame) -> None:
    load_world(world.with_columns(taste_match=pl.when(pl.col("label")).then("taste_match")))
    with open_warehouse(read_only=True) as connection:
        assert circular_features(NEXT_EPISODE, read_features(connection, NEXT_EPISODE)) == ["taste_match"]


def test_without_a_true_probability_there_is_no_oracle_and_no_verdict(
    warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_world(make_world(users=120))
    with open_warehouse() as connection:
        connection.execute("delete from truth.episode_choices")
    train.main([])
    found = metrics(warehouse)
    assert not [key for key in found if "oracle" in key[0] or "oracle" in key[1]]
    assert "oracle" not in capsys.readouterr().out


@pytest.fixture(scope="module")
def run(trained: Path) -> records.TrainingRun:
    """A run on the same data as `trained`'s, with another seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(trained))
        with open_warehouse(read_only=True) as connection:
            table = read_features(connection, NEXT_EPISODE)
    return train.train_task(NEXT_EPISODE, table, seed=1)


def test_a_run_with_another_seed_stands_beside_the_first(
    run: records.TrainingRun, trained: Path, warehouse: Path
) -> None:
    copy_warehouse(trained, warehouse)
    with open_warehouse() as connection:
        records.write_runs(connection, [run])
    for table in TABLE_QUERIES:
        counts = fetch(warehouse, f"select run_id, count(*) from ml.{table} group by all")
        assert len(counts) == 2 and len({count for _, count in counts}) == 1


def write_until_killed(run: records.TrainingRun) -> None:
    """Write `run`, and die once most tables are written."""
    replace = records._replace

    def replace_or_die(connection, name, *rest) -> None:
        if name == "feature_importance":
            os._exit(9)
        replace(connection, name, *rest)

    records._replace = replace_or_die
    with open_warehouse() as connection:
        records.write_runs(connection, [run])


def test_the_next_run_clears_the_models_of_runs_that_were_killed(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_world(make_world(users=120))
    models = warehouse.parent / "test.models"

    def be_killed(*_: object) -> None:
        raise KeyboardInterrupt

    train.main(["--seed=1"])
    [first] = models.iterdir()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train, "write_runs", be_killed)
        train.main(["--seed=2"])
    [killed] = set(models.iterdir()) - {first}
    for name in ("of-the-user.txt", ".next_episode-0123456789ab.skops.1"):
        (models / name).touch()
    train.main(["--seed=3"])
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
    monkeypatch.setattr(train, "train_task", lambda *_: run)
    code = f"import duckdb; c = duckdb.connect({str(warehouse)!r}, read_only=True); print(); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as reader:
        reader.stdout.readline()
        with pytest.raises(UserError, match="is in use by"):
            train.main([])
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
    run.importance["not a number"] = (math.nan, None)
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
    train.main([])
    summary = capsys.readouterr().out
    for text in (
        "train ",
        "embargo",
        "oracle",
        "roc_auc",
        "minus oracle",
        ".skops",
        "seconds",
        "reports.build",
    ):
        assert text in summary
    assert "LEAK" not in summary and "CIRCULAR" not in summary


@pytest.mark.parametrize("seed", ["-1", "4294967296", "1.5", "many"])
def test_a_seed_that_is_none_is_refused(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        train.main([f"--seed={seed}"])
    assert stop.value.code == 2
    assert f"'{seed}' is no whole number from 0 to 4294967295" in capsys.readouterr().err
