"""Task declarations: nothing that only a simulator knows, and no label, is a feature."""

import re
from pathlib import Path

import pytest

from ml.pipelines import PARAMETERS
from ml.tasks import TASKS, Task

RAW_TABLES = Path(__file__).parents[2] / "ingest" / "landing" / "raw_tables.sql"


def truth_columns() -> set[str]:
    """Columns of the tables of `truth`, keys aside."""
    tables = re.findall(
        r"create table if not exists truth\.\w+ \((.+?)\n\);",
        RAW_TABLES.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    columns = {line.split()[0] for table in tables for line in table.strip().splitlines()}
    return columns - {"user_id", "event_id", "anime_id"}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
class TestEveryTask:
    def test_features_come_from_a_feature_mart(self, task: Task) -> None:
        assert task.feature_model.startswith("marts.feat_")

    def test_nothing_of_truth_is_a_feature(self, task: Task) -> None:
        assert truth_columns() >= {"p_continue", "engagement", "quality"}
        assert not truth_columns() & set(task.features)

    def test_neither_label_nor_split_nor_key_is_a_feature(self, task: Task) -> None:
        columns = {task.label, "as_of", "label_known_at", task.key, task.cluster}
        columns |= {splitter.column for splitter in task.splitters}
        assert not columns & set(task.features)

    def test_features_are_declared_once(self, task: Task) -> None:
        assert len(set(task.features)) == len(task.features)
        assert task.baseline_feature in task.numeric
        assert set(task.growing) <= set(task.numeric)

    def test_candidates_and_groups_are_there(self, task: Task) -> None:
        assert task.candidates.keys() <= PARAMETERS.keys() - {"baseline"}
        for prefix in task.groups.values():
            assert sum(name.startswith(prefix) for name in task.numeric) > 1


def test_task_names_are_unique() -> None:
    assert len({task.name for task in TASKS}) == len(TASKS)
