"""The viewing log: simulated on whichever catalogue is loaded, and made anew when that is replaced."""

import hashlib
import json
import tempfile
import time
from dataclasses import asdict
from datetime import date
from pathlib import Path

import duckdb
import polars
from tqdm import tqdm

import ingest.making.viewing
from common.errors import UserError
from ingest.landing.manifest import Batch, current_batches, new_stamp, record, retire
from ingest.making.stand_ins import LICENCE
from ingest.making.viewing import SimulatedLog, SimulationOptions, write_viewing_log

NAME = "viewing"
TABLES = (
    "raw.viewing_events",
    "raw.viewing_viewers",
    "truth.viewers",
    "truth.episode_choices",
    "truth.titles",
)


def options_of(batch: Batch) -> SimulationOptions:
    """The options that a loaded viewing log was made with."""
    options = json.loads(batch.options)
    return SimulationOptions(**options | {"start_date": date.fromisoformat(options["start_date"])})


def land_viewing(connection: duckdb.DuckDBPyConnection, options: SimulationOptions) -> Batch | None:
    """Simulate a log on the loaded catalogue and put it in place of the one there is.

    Call it inside a `transaction`.

    Returns:
        The batch, whose counts are of views (viewers are beside them); None when the log of these options,
        of this catalogue and of this simulator is the one that is loaded.

    Raises:
        UserError: no catalogue is loaded, or it has no title that can be watched.
    """
    started = time.monotonic()
    catalogues = current_batches(connection, "anime")
    if not catalogues:
        raise UserError("no anime catalogue is loaded: run `python -m ingest anime PATH`")
    sha256 = _fingerprint(options, catalogues[-1])
    if any(batch.sha256 == sha256 for batch in current_batches(connection, NAME)):
        return None
    retire_viewing(connection)
    stamp = new_stamp(connection, NAME, sha256)
    file_name = "simulated: " + " ".join(f"{name}={value}" for name, value in asdict(options).items())
    with tempfile.TemporaryDirectory(prefix="viewing-") as folder:
        log = _simulate(connection, options, Path(folder))
        _load_log(connection, log, [stamp.batch_id, file_name, stamp.loaded_at])
    batch = Batch(
        **vars(stamp),
        source=NAME,
        origin="simulated",
        file_name=file_name,
        sha256=sha256,
        licence=LICENCE,
        rows_read=log.events,
        rows_loaded=log.events,
        rows_rejected=0,
        rows_duplicate=0,
        load_seconds=time.monotonic() - started,
        options=json.dumps(asdict(options), default=str),
    )
    record(connection, batch)
    return batch


def retire_viewing(connection: duckdb.DuckDBPyConnection) -> None:
    """Delete the viewing log and its truth; other simulators keep theirs."""
    connection.execute("delete from truth.effects where source = ?", [NAME])
    retire(connection, NAME, TABLES)


def _simulate(
    connection: duckdb.DuckDBPyConnection, options: SimulationOptions, folder: Path
) -> SimulatedLog:
    catalogue = connection.sql(
        """
        select anime_id, title, type, episodes, status, year, duration_seconds, score_arithmetic_mean, tags
        from raw.anime
        order by anime_id
        """
    ).to_arrow_table()
    with tqdm(desc="simulating", unit=" shards", disable=None, delay=2, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return write_viewing_log(polars.from_arrow(catalogue), options, folder, on_shard=show)


def _load_log(connection: duckdb.DuckDBPyConnection, log: SimulatedLog, stamp: list) -> None:
    for table, files in (("viewing_events", log.event_files), ("viewing_viewers", log.viewer_files)):
        connection.execute(
            f"""
            insert into raw.{table} by name
            select
                *,
                row_number() over () as _row_number,
                ? as _batch_id,
                ? as _source_file,
                cast(? as timestamp) as _loaded_at
            from read_parquet(?)
            """,
            [*stamp, _names(files)],
        )
    for table, files in (
        ("viewers", log.truth_viewer_files),
        ("episode_choices", log.choice_files),
        ("titles", [log.truth_titles_file]),
    ):
        connection.execute(
            f"insert into truth.{table} by name select * from read_parquet(?)", [_names(files)]
        )
    connection.execute(
        "insert into truth.effects by name select *, ? as source from read_parquet(?)",
        [NAME, str(log.truth_effects_file)],
    )


def _names(files: list[Path]) -> list[str]:
    return [str(file) for file in files]


def _fingerprint(options: SimulationOptions, catalogue: Batch) -> str:
    """A hash of all that the log is made of: options, catalogue, and the simulator itself."""
    digest = hashlib.sha256(repr(options).encode())
    digest.update(catalogue.sha256.encode())
    package = Path(ingest.making.viewing.__file__).parent
    for path in sorted(file for file in package.rglob("*") if file.is_file() and file.suffix != ".pyc"):
        digest.update(path.read_bytes())
    return digest.hexdigest()
