"""Why one row got its score: the parts that are printed add up to it."""

import math
import re
from pathlib import Path

import pytest
from small_task import SMALL, train_small
from worlds import copy_warehouse, fetch

from common.errors import UserError
from common.warehouse import open_warehouse
from ml import explain

PART = re.compile(r"^ +([+-]\d+\.\d{3})  (.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def trained_small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def copied(trained_small: Path, monkeypatch) -> Path:
    monkeypatch.setenv("WAREHOUSE_PATH", str(trained_small))
    monkeypatch.setattr(explain, "TASKS", (SMALL,))
    return trained_small


def run(entity: str, *arguments: str) -> None:
    explain.main(["--task", "small", "--entity", entity, *arguments])


def test_the_parts_add_up_to_the_score(copied: Path, capsys, monkeypatch) -> None:
    rows = fetch(
        copied,
        "select entity_id, probability from ml.scores where split = 'test' order by probability, entity_id",
    )
    monkeypatch.setattr(explain, "MOST_FEATURES", 3)
    for entity, probability in (rows[0], rows[-1]):
        run(entity, "--source", "viewing")
        told = capsys.readouterr().out
        assert f"score    {probability:.4f}; base rate" in told
        *parts, (total, last) = PART.findall(told)
        assert sum(float(value) for value, _ in parts) == pytest.approx(float(total), abs=0.01)
        raw = float(re.search(r"a probability of ([\d.]+), calibrated", last)[1])
        assert raw == pytest.approx(1 / (1 + math.exp(-float(total))), abs=0.001)
        assert len(parts) == 3 + 2
        assert parts[-1][1] == "1 more"
        # The mean, then the largest first.
        sizes = [abs(float(value)) for value, _ in parts[1:-1]]
        assert sizes == sorted(sizes, reverse=True)


def test_missing_values_are_told_as_missing(copied: Path, capsys) -> None:
    [(entity,), *_] = fetch(
        copied,
        "select event_id from marts.feat_small where effect is null order by event_id",
    )
    run(str(entity))
    assert "effect = missing" in capsys.readouterr().out


def test_what_cannot_be_explained_is_one_line(copied: Path, warehouse: Path, monkeypatch) -> None:
    monkeypatch.setenv("WAREHOUSE_PATH", str(copied))
    with pytest.raises(UserError, match=r"feat_small has no row whose event_id is x: choose one of"):
        run("x")
    with pytest.raises(UserError, match=r"has no row of steam whose event_id is 1: choose one of"):
        run("1", "--source", "steam")
    copy_warehouse(copied, warehouse)
    monkeypatch.setenv("WAREHOUSE_PATH", str(warehouse))
    with pytest.raises(UserError, match=r"no model file at .+: run `python -m ml.train`"):
        run("1")
    with open_warehouse() as connection:
        connection.execute("delete from ml.model_runs")
    with pytest.raises(UserError, match=r"no model of small for viewing: run `python -m ml.train"):
        run("1")
