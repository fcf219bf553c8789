"""What a request may hold: rows of features, checked field by field."""

from typing import Annotated, Any

import numpy as np
from pydantic import AllowInfNan, BaseModel, BeforeValidator, ConfigDict, Field, Strict, create_model

from ml.blocks import Block, Texts
from ml.tasks import Task

# Models read single precision.
LARGEST = float(np.finfo(np.float32).max)
# Letters in a text, rows in a request.
LONGEST_TEXT, MOST_ROWS = 500, 1000


def _number(value: Any) -> Any:
    """Booleans are numbers to a model, and are to nothing else."""
    return float(value) if isinstance(value, bool) else value


Number = Annotated[
    Annotated[float, Strict(), AllowInfNan(False), Field(ge=-LARGEST, le=LARGEST)] | None,
    BeforeValidator(_number),
]
Text = Annotated[str, Strict(), Field(max_length=LONGEST_TEXT)] | None


def row_model(task: Task) -> type[BaseModel]:
    """One row of a task's features: all of them, nothing else; null where there is no value."""
    fields = dict.fromkeys(task.numeric, (Number, ...)) | dict.fromkeys(task.categorical, (Text, ...))
    # A feature may have any name, pydantic's attributes may not: by alias.
    named = {
        f"feature_{place}": (kind, Field(alias=name))
        for place, (name, (kind, _)) in enumerate(fields.items())
    }
    return create_model(
        f"{task.name}_features",
        __config__=ConfigDict(extra="forbid", json_schema_extra={"examples": [example(task)]}),
        **named,
    )


def example(task: Task) -> dict[str, float | str]:
    """A row that is valid, and says no more than which features there are."""
    return dict.fromkeys(task.numeric, 0.0) | dict.fromkeys(task.categorical, "other")


def rows_to_block(task: Task, rows: list[dict[str, Any]]) -> Block:
    """The block of rows that `row_model` has let through, rounded as the rows of the mart are."""
    given = [[row[name] for name in task.numeric] for row in rows]
    matrix = np.array(given, np.float64).reshape(len(rows), -1).astype(np.float32).astype(np.float64)
    numbers = {name: matrix[:, place] for place, name in enumerate(task.numeric)}
    codes = np.arange(len(rows))
    texts = {name: Texts(codes, [*(row[name] for row in rows), None]) for name in task.categorical}
    return Block(len(rows), numbers, texts)
