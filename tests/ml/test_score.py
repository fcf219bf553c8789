"""Scoring new rows: what is written, what stays, and what is refused in one line."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_task import MART, NEW, SMALL, change, copy_trained, train_small
from worlds import create_ml_tables, fetch

from common.errors import UserError, run_command
from common.warehouse import open_warehouse
from ml import registry, score

SCORES = "select entity_id, split, probability, as_of, label from ml.scores order by entity_id, split"


@pytest.fixture(scope="module")
def trained_small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse that was trained on, its mart grown by 300 rows. Only read it."""
    return train_small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def scored(trained_small: Path, warehouse: Path, monkeypatch) -> Path:
    """A copy of it; nothing new is scored yet."""
    monkeypatch.setattr(score, "TASKS", (SMALL,))
    copy_trained(trained_small, warehouse)
    return warehouse


def run(*arguments: str) -> None:
    score.main(["--task", "small", *arguments])


def test_new_rows_are_scored_as_their_like_were_in_training(scored: Path, capsys) -> None:
    before = fetch(scored, SCORES)
    run()
    after = fetch(scored, SCORES)
    assert [row for row in after if row[1] != "scored"] == before
    pairs = fetch(
        scored,
        f"""
        select new.probability, old.probability, new.as_of = old.as_of + to_days(365)
        from ml.scores as new inner join ml.scores as old
            on new.entity_id = cast(cast(old.entity_id as bigint) + {NEW} as varchar)
        where new.split = 'scored'
        """,
    )
    assert len(pairs) == 300
    assert all(new == old for new, old, _ in pairs)
    assert all(is_later for *_, is_later in pairs)
    assert "scored   300 rows of 2,400" in capsys.readouterr().out


def test_the_size_of_a_block_changes_no_digit(scored: Path, monkeypatch) -> None:
    run()
    at_once = fetch(scored, SCORES)
    monkeypatch.setattr(score, "BLOCK_ROWS", 7)
    run()
    assert fetch(scored, SCORES) == at_once


def test_scoring_again_replaces_what_was_scored(scored: Path) -> None:
    run()
    first = fetch(scored, SCORES)
    run()
    assert fetch(scored, SCORES) == first
    change(f"delete from {MART} where event_id >= {NEW} + 10", f"update {MART} set completion = 0")
    run()
    [(count, highest)] = fetch(
        scored, "select count(*), max(cast(entity_id as bigint)) from ml.scores where split = 'scored'"
    )
    assert (count, highest < NEW + 10) == (10, True)
    assert not set(fetch(scored, SCORES)) >= set(first)


def test_a_day_is_a_day_of_utc(scored: Path) -> None:
    change(
        f"update {MART} set as_of = timestamp '2026-03-04 00:00:00' where event_id = {NEW}",
        f"update {MART} set as_of = timestamp '2026-03-04 23:59:59.999999' where event_id = {NEW + 1}",
        f"update {MART} set as_of = timestamp '2026-03-05 00:00:00' where event_id = {NEW + 2}",
        f"delete from {MART} where event_id > {NEW + 2}",
    )
    ids = "select cast(entity_id as bigint) from ml.scores where split = 'scored' order by 1"
    run("--as-of", "2026-03-04")
    assert fetch(scored, ids) == [(NEW,), (NEW + 1,)]
    run("--as-of", "2026-03-05")
    assert fetch(scored, ids) == [(NEW,), (NEW + 1,), (NEW + 2,)]
    # An entity whose moment has moved has one score, not one a day.
    change(f"update {MART} set as_of = timestamp '2026-03-05 01:00:00' where event_id = {NEW}")
    run("--as-of", "2026-03-05")
    assert fetch(scored, ids) == [(NEW,), (NEW + 1,), (NEW + 2,)]
    with pytest.raises(UserError, match="no rows of viewing as of 2031-01-01"):
        run("--as-of", "2031-01-01")


REFUSED: dict[str, tuple[str, str]] = {
    "a column is gone": (f"alter table {MART} drop completion", r"feat_small lacks completion"),
    "text for a number": (
        f"alter table {MART} alter completion type varchar",
        r"completion is VARCHAR, not a number",
    ),
    "a key twice": (
        f"insert into {MART} select * from {MART} where event_id = {NEW}",
        r"2,401 rows and 2,400 values of event_id: mend the model",
    ),
    "infinity": (
        f"update {MART} set effect = 'infinity' where event_id = {NEW}",
        r"effect holds values that no model can take \(the first: inf\)",
    ),
    "beyond single precision": (
        f"update {MART} set effect = 1e300 where event_id = {NEW}",
        r"effect holds values that no model can take \(the first: 1e\+300\)",
    ),
    "no number": (
        f"update {MART} set effect = 'nan' where event_id = {NEW}",
        r"effect holds values that no model can take \(the first: nan\)",
    ),
    "no mart": (f"drop table {MART}", r"feat_small does not exist: run `dbt build` first"),
    "no rows": (f"delete from {MART}", r"feat_small has no rows"),
    "no model": ("delete from ml.model_runs", r"no model of small yet: run `python -m ml.train"),
    "no tables": ("drop table ml.model_runs", r"lacks ml.model_runs: run `dbt build` first"),
    "no file": (
        "update ml.model_runs set model_file = 'small.models/x.skops'",
        r"no model file at .+x\.skops: run `python -m ml.train`",
    ),
}


@pytest.mark.parametrize(("statement", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_scored_is_one_line_and_leaves_all_as_it_was(
    scored: Path, statement: str, message: str, monkeypatch
) -> None:
    monkeypatch.setattr(score, "BLOCK_ROWS", 100)
    before = fetch(scored, SCORES)
    change(statement)
    with pytest.raises(UserError, match=message):
        run()
    assert fetch(scored, SCORES) == before


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (replace(SMALL, numeric=SMALL.numeric[1:]), "without completion: run"),
        (replace(SMALL, numeric=("user_id", *SMALL.numeric)), "with user_id: run"),
        (replace(SMALL, numeric=SMALL.numeric[::-1]), "in another order: run"),
    ],
    ids=["fewer", "more", "other order"],
)
def test_a_model_of_other_features_is_refused(scored: Path, task, message: str, monkeypatch) -> None:
    monkeypatch.setattr(score, "TASKS", (task,))
    with pytest.raises(UserError, match=f"no longer fits: ml/tasks.py now has the features .+ {message}"):
        run()


def test_the_newest_run_of_each_source_scores(warehouse: Path) -> None:
    def line(run_id: str, source: str, day: int, splitter: str = "time") -> str:
        return (
            "insert into ml.model_runs by name select "
            f"'{run_id}' as run_id, 'small' as task, '{source}' as source, '{splitter}' as splitter, "
            f"timestamp '2025-01-{day:02}' as trained_at, 'v' as model_version, 'e' as estimator, "
            "'f' as feature_model, '[]' as feature_names, '{}' as library_versions, 1 as seed, "
            "1 as train_rows_count, 1 as validation_rows_count, 1 as test_rows_count, 1.0 as train_seconds, "
            "'m' as model_file"
        )

    with open_warehouse() as connection:
        create_ml_tables(connection)
        for statement in [
            line("old", "a", 1),
            line("new", "a", 3),
            line("other split", "a", 4, "user"),
            line("b", "b", 2),
        ]:
            connection.execute(statement)
        found = registry.newest_runs(connection, SMALL)
    assert [one.run_id for one in found] == ["new", "b"]


def test_bad_arguments_end_in_2(warehouse: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(score, "TASKS", (SMALL,))
    for arguments, message in (
        (["--task", "horoscope"], "invalid choice: 'horoscope'"),
        (["--task", "small", "--as-of", "yesterday"], "'yesterday' is no date as in 2025-06-30"),
        ([], "--task"),
    ):
        with pytest.raises(SystemExit) as ended:
            score.main(arguments)
        assert ended.value.code == 2
        assert message in capsys.readouterr().err
    assert run_command(run) == 2
    assert "error: no warehouse" in capsys.readouterr().err
    assert not warehouse.exists()
