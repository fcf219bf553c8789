"""Rows of features as columns of plain numbers and coded texts: what scorers take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from common.errors import UserError
from common.quoting import quote_identifier
from ml.tasks import Task


class Texts(NamedTuple):
    """A text column of n rows: each row's place in `values`, which ends in None for rows without a value."""

    codes: NDArray[np.int64]
    values: list[str | None]


@dataclass(frozen=True)
class Block:
    """n rows of features.

    Attributes:
        rows_count: n.
        numbers: name -> (n,) float64 of single precision, NaN where null.
        texts: name -> column of text.
    """

    rows_count: int
    numbers: Mapping[str, NDArray[np.float64]]
    texts: Mapping[str, Texts]


def to_block(features: pd.DataFrame) -> Block:
    """The rows of a frame as `ml.features.to_features` makes it: what is no number is text."""
    numbers, texts = {}, {}
    for name, column in features.items():
        if pd.api.types.is_numeric_dtype(column):
            numbers[str(name)] = column.to_numpy(np.float64)
            continue
        codes, values = pd.factorize(column.to_numpy(object))
        # pandas codes what is missing as -1: the last place.
        texts[str(name)] = Texts(np.asarray(codes, np.int64), [*values, None])
    return Block(len(features), numbers, texts)


def to_frame(block: Block) -> pd.DataFrame:
    """The rows of a block as `ml.features.to_features` has them."""
    texts = {
        name: pd.Series([column.values[code] for code in column.codes], dtype=object)
        for name, column in block.texts.items()
    }
    return pd.DataFrame({**block.numbers, **texts})


def quoted_mart(task: Task) -> str:
    """The task's mart, as SQL names it."""
    return ".".join(quote_identifier(part) for part in task.feature_model.split("."))


def feature_columns(task: Task) -> list[str]:
    """SQL of each feature over the mart, in the order of `Task.features`, in the types that blocks have."""
    return [
        *[f"cast({name} as double)" for name in map(quote_identifier, task.numeric)],
        *[f"cast({name} as varchar)" for name in map(quote_identifier, task.categorical)],
    ]


def arrow_to_block(task: Task, columns: list[pa.Array]) -> Block:
    """The rows of `feature_columns`, numbers in single precision as `ml.features.to_features` has them.

    Raises:
        UserError: a number is infinite, or NaN, or beyond single precision.
    """
    numbers, texts = {}, {}
    for name, column in zip(task.numeric, columns, strict=False):
        given = column.to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            values = given.astype(np.float32).astype(np.float64)
        broken = ~np.isfinite(values)
        if int(broken.sum()) != column.null_count:
            first = next(
                value
                for value, out in zip(column.to_pylist(), broken, strict=True)
                if out and value is not None
            )
            raise UserError(
                f"{task.feature_model}.{name} holds values that no model can take (the first: {first}): mend "
                "the model or its source"
            )
        numbers[name] = values
    for name, column in zip(task.categorical, columns[len(task.numeric) :], strict=True):
        coded = column.dictionary_encode()
        values = [*coded.dictionary.to_pylist(), None]
        codes = coded.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)
        texts[name] = Texts(codes.astype(np.int64), values)
    return Block(len(columns[0]), numbers, texts)
