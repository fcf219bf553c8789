"""95 % intervals hold the truth about 95 times in 100: the benchmark on few worlds, always the same ones."""

import polars as pl
import pytest

from benchmarks.truth_coverage import MODELS, coverage, measure
from tests.compiled_models import CompiledModels
from tests.pipeline import compile_models


@pytest.fixture(scope="module")
def intervals(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("coverage")
    models = CompiledModels(compile_models(folder, " +".join(MODELS), {}))
    return measure(models, worlds=16, seed=1)


def test_intervals_hold_the_truth_as_often_as_they_say(intervals: pl.DataFrame) -> None:
    shares = {kind: share for kind, _, share in coverage(intervals).iter_rows()}
    assert list(shares) == ["retention", "survival", "user_churn", "transition", "continuation", "depth"]
    assert 0.93 <= sum(shares.values()) / len(shares) <= 0.97
    # Of 64 intervals and more, alike within a world: far from it, but able to fail.
    assert min(shares.values()) >= 0.88


def test_intervals_of_three_quarters_the_width_would_be_found_out(intervals: pl.DataFrame) -> None:
    middle, width = (pl.col("low") + pl.col("high")) / 2, pl.col("high") - pl.col("low")
    narrow = intervals.with_columns(low=middle - 0.375 * width, high=middle + 0.375 * width)
    assert coverage(narrow)["share"].mean() < 0.90
