"""Takes loads back: their rows, their rejects and their truth go; their lines in the manifest stay."""

import math
from dataclasses import dataclass

import duckdb

from common.errors import UserError, terminal_safe
from ingest.landing.clickstream import retire_log
from ingest.landing.files_in_place import forget_files, is_in_place
from ingest.landing.manifest import Batch, current_batches, loaded_sources, retire, retire_batch
from ingest.landing.viewing import NAME as VIEWING
from ingest.landing.viewing import retire_viewing
from ingest.sources import ANIME, SOURCES


@dataclass(frozen=True)
class Removal:
    """What was taken out.

    Attributes:
        batches: the loads, as they were.
        later: loads that stay and brought rows which were there already, maybe by one of those.
    """

    batches: list[Batch]
    later: list[Batch]


def remove_loads(connection: duckdb.DuckDBPyConnection, source: str, file_name: str | None) -> Removal:
    """Delete what was loaded for a source, all of it or, of several loads, those of files of this name.

    Call it inside a `transaction`. With the catalogue goes the viewing log, which was made on it.

    Raises:
        UserError: nothing is loaded for the source, or nothing of such a file.
    """
    sources = loaded_sources(connection)
    if source not in sources:
        raise UserError(f"nothing is loaded as {source}: there is {_listed(sources)}")
    loads = current_batches(connection, source)
    # A name as `status` shows it will do.
    chosen = [load for load in loads if file_name in (None, load.file_name, terminal_safe(load.file_name))]
    if not chosen:
        names = _listed([load.file_name for load in loads])
        raise UserError(f"{source} has no rows of a file {file_name}: there is {names}")
    if len(chosen) < len(loads):
        _delete_loads(connection, source, chosen)
    else:
        _delete_source(connection, source)
        if source == ANIME.name:
            chosen += current_batches(connection, VIEWING)
            _delete_source(connection, VIEWING)
    batch_ids = [load.batch_id for load in chosen]
    # They are rows of the files too, as delivered.
    connection.execute("delete from raw.rejects where list_contains(?, batch_id)", [batch_ids])
    if is_in_place(connection, source):
        forget_files(connection, source, batch_ids)
        # What other files share with those is read from them now.
        return Removal(chosen, [])
    return Removal(chosen, later_loads(loads, chosen))


def later_loads(loads: list[Batch], chosen: list[Batch]) -> list[Batch]:
    """Of a source's loads, those that brought rows which were there already, maybe by one of the chosen."""
    first = min((load.load_number for load in chosen), default=math.inf)
    return [load for load in loads if load not in chosen and load.load_number > first and load.rows_duplicate]


def _delete_source(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    if source in SOURCES:
        retire(connection, source, [f"raw.{table}" for table in SOURCES[source].tables])
    elif source == VIEWING:
        retire_viewing(connection)
    else:
        retire_log(connection, source)


def _delete_loads(connection: duckdb.DuckDBPyConnection, source: str, loads: list[Batch]) -> None:
    tables = SOURCES[source].tables if source in SOURCES else ("events",)
    for load in loads:
        for table in tables:
            connection.execute(f"delete from raw.{table} where _batch_id = ?", [load.batch_id])
        retire_batch(connection, source, load.batch_id)


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names)) or "nothing at all"
