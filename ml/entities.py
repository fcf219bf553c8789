"""One row of a feature mart, found by its key."""

from common.quoting import quote_identifier, quote_text
from common.warehouse import open_warehouse
from ml.blocks import Block, arrow_to_block, feature_columns, quoted_mart
from ml.features import studies_of
from ml.tasks import Task


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
