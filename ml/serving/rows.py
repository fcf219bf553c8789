"""What a request may hold: rows of features, checked field by field, and rows looked up in a mart."""

from typing import Annotated, Any

import numpy as np
from pydantic import AllowInfNan, BaseModel, BeforeValidator, ConfigDict, Field, Strict, create_model

from common.quoting import quote_identifier, quote_text
from common.warehouse import open_warehouse
from ml.blocks import Block, Texts, arrow_to_block, feature_columns, quoted_mart
from ml.features import studies_of
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


def example(task: Task) -> dict[str, float | None]:
    """A row that is valid, and says no more than which features there are."""
    return dict.fromkeys(task.numeric, 0.0) | dict.fromkeys(task.categorical, None)


def rows_to_block(task: Task, rows: list[dict[str, Any]]) -> Block:
    """The block of rows that `row_model` has let through, rounded as the rows of the mart are."""
    given = [[row[name] for name in task.numeric] for row in rows]
    matrix = np.array(given, np.float64).reshape(len(rows), -1).astype(np.float32).astype(np.float64)
    numbers = {name: matrix[:, place] for place, name in enumerate(task.numeric)}
    codes = np.arange(len(rows))
    texts = {name: Texts(codes, [*(row[name] for row in rows), None]) for name in task.categorical}
    return Block(len(rows), numbers, texts)


def find_entity(task: Task, entity_id: str) -> list[tuple[str, Block]]:
    """The rows of a task's mart with this key: each one's source, and its features.

    The warehouse is open for this moment only: as long as it is, no other program can write.

    Raises:
        UserError: another program writes the warehouse, the mart can't be read, or a number of the row can't
            be scored.
    """
    key = f"cast({quote_identifier(task.key)} as varchar)"
    source = "source" if task.source is None else quote_text(task.source)
    with open_warehouse(read_only=True) as connection:
        studies_of(connection, task)
        columns = ", ".join([source, *feature_columns(task)])
        wanted = f"select {columns} from {quoted_mart(task)} where {key} = {quote_text(entity_id)} order by 1"
        rows = connection.sql(wanted).to_arrow_table()
    found = [rows.slice(place, 1).combine_chunks().to_batches()[0] for place in range(rows.num_rows)]
    return [(row.column(0)[0].as_py(), arrow_to_block(task, row.columns[1:])) for row in found]
