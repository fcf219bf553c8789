"""The loads there are: a file that the user gave, a stand-in, a simulated log; and how they are taken back.

Each is one transaction.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import duckdb

from common.warehouse import open_warehouse
from ingest.landing.clickstream import ClickstreamOptions, land_clickstream
from ingest.landing.deliveries import check_rejects, land
from ingest.landing.manifest import Batch, current_batches, open_raw, peek_current_batches, transaction
from ingest.landing.removal import Removal, remove_loads
from ingest.landing.viewing import NAME as VIEWING
from ingest.landing.viewing import land_viewing, options_of
from ingest.making.stand_ins import LICENCE as STAND_IN_LICENCE
from ingest.making.viewing import SimulationOptions
from ingest.reading.paths import file_name
from ingest.sources import SOURCES, Source


def load_file(source: Source, path: Path, *, max_rejects: float = 1.0) -> list[Batch]:
    """Load a file that the user gave.

    Returns:
        What was loaded: the file, and the viewing log if that had to be made anew because its catalogue was
        replaced. Nothing, if this file is the one that is loaded already.

    Raises:
        UserError: the file can't be used, or another process holds the warehouse.
    """
    started = time.monotonic()
    sha256 = source.sha256(path)
    if any(batch.sha256 == sha256 for batch in peek_current_batches(source.name)):
        return []
    delivery = source.read(path)
    check_rejects(path, delivery, max_rejects)
    with open_raw() as connection, transaction(connection):
        batch = land(
            connection,
            source,
            delivery,
            origin="real",
            file_name=file_name(path),
            sha256=sha256,
            started=started,
        )
        remade = _remake_viewing(connection) if source.name == "anime" else None
    return [batch, remade] if remade else [batch]


def load_stand_in(source: Source) -> list[Batch]:
    """Make a source's stand-in and load it through its reader, unless anything was loaded for it.

    Raises:
        UserError: another process holds the warehouse.
    """
    started = time.monotonic()
    # The warehouse is held from the look to the load, so that no real file can come in between.
    with tempfile.TemporaryDirectory(prefix="stand-in-") as folder, open_raw() as connection:
        if current_batches(connection, source.name):
            return []
        path = source.write_stand_in(Path(folder))
        delivery = replace(source.read(path), licence=STAND_IN_LICENCE)
        with transaction(connection):
            batch = land(
                connection,
                source,
                delivery,
                origin="stand-in",
                file_name=path.name,
                sha256=source.sha256(path),
                started=started,
            )
    return [batch]


def simulate(options: SimulationOptions) -> list[Batch]:
    """Make the viewing log, on the stand-in catalogue when none is loaded.

    Returns:
        What was loaded; nothing, if this log is the one that is loaded already.

    Raises:
        UserError: an option is out of range, or another process holds the warehouse.
    """
    batches = load_stand_in(SOURCES["anime"])
    with open_raw() as connection, transaction(connection):
        log = land_viewing(connection, options)
    return [*batches, log] if log else batches


def make_clickstream(options: ClickstreamOptions) -> list[Batch]:
    """Make the generated event log.

    Returns:
        What was loaded; nothing, if this log is the one that is loaded already.

    Raises:
        UserError: another process holds the warehouse.
    """
    with open_raw() as connection, transaction(connection):
        log = land_clickstream(connection, options)
    return [log] if log else []


def remove(source: str, file_name: str | None = None) -> Removal:
    """Take out what was loaded for a source, all of it or only what came from files of this name.

    Raises:
        UserError: there is nothing such, or another process holds the warehouse.
    """
    # Nothing is made of a warehouse that isn't there.
    with open_warehouse(read_only=True):
        pass
    with open_raw() as connection, transaction(connection):
        return remove_loads(connection, source, file_name)


def _remake_viewing(connection: duckdb.DuckDBPyConnection) -> Batch | None:
    logs = current_batches(connection, VIEWING)
    return land_viewing(connection, options_of(logs[-1])) if logs else None
