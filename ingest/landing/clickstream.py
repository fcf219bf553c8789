"""Puts the generated clickstream into `raw.events`, and what only its simulator knows into `truth`."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace

import duckdb

from common.errors import UserError
from ingest.landing.deliveries import registered
from ingest.landing.manifest import Batch, current_batches, new_stamp, record, retire_batches
from ingest.making.clickstream.model import CONFIG_FILE, Clickstream, load_config, simulate_clickstream
from ingest.making.stand_ins import LICENCE

NAME = "clickstream"
TRUTH_TABLES = ("personas", "persona_transitions", "retention", "effects", "conversion_outlooks")
MOST_USERS, MOST_DAYS = 1_000_000, 3_650


@dataclass(frozen=True)
class ClickstreamOptions:
    """How much is made, and from which seed.

    Raises:
        UserError: a value is out of range.
    """

    users: int = load_config().users
    days: int = load_config().days
    seed: int = 42

    def __post_init__(self) -> None:
        for name, value, most in (("users", self.users, MOST_USERS), ("days", self.days, MOST_DAYS)):
            if not 1 <= value <= most:
                raise UserError(f"{value} {name}: a clickstream has 1 to {most:,}")
        if self.seed < 0:
            raise UserError(f"seed {self.seed}: a seed is 0 or more")


def land_clickstream(connection: duckdb.DuckDBPyConnection, options: ClickstreamOptions) -> Batch | None:
    """Simulate a clickstream and put it in place of the one there is.

    Call it inside a `transaction`.

    Returns:
        The batch; None when the log of these options and of this simulator is the one that is loaded.
    """
    started = time.monotonic()
    sha256 = _fingerprint(options)
    if any(batch.sha256 == sha256 for batch in current_batches(connection, NAME)):
        return None
    config = replace(load_config(), users=options.users, days=options.days)
    log = simulate_clickstream(config, options.seed)
    retire_log(connection, NAME)
    stamp = new_stamp(connection, NAME, sha256)
    file_name = "simulated: " + " ".join(f"{name}={value}" for name, value in asdict(options).items())
    _insert(connection, log, [NAME, stamp.batch_id, file_name, stamp.loaded_at])
    batch = Batch(
        **vars(stamp),
        source=NAME,
        origin="simulated",
        file_name=file_name,
        sha256=sha256,
        licence=LICENCE,
        rows_read=log.events.height,
        rows_loaded=log.events.height,
        rows_rejected=0,
        rows_duplicate=0,
        load_seconds=time.monotonic() - started,
        options=json.dumps(asdict(options)),
    )
    record(connection, batch)
    return batch


def retire_log(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    """Delete an event log, with the truth that a generated one has."""
    for table in ("raw.events", *(f"truth.{name}" for name in TRUTH_TABLES)):
        connection.execute(f"delete from {table} where source = ?", [source])
    retire_batches(connection, source)


def _insert(connection: duckdb.DuckDBPyConnection, log: Clickstream, stamp: list) -> None:
    with registered(connection, "made", log.events.to_arrow()):
        connection.execute(
            """
            insert into raw.events by name
            select
                *,
                ? as source,
                ? as _batch_id,
                ? as _source_file,
                cast(? as timestamp) as _loaded_at
            from made
            """,
            stamp,
        )
    truth = (log.personas, log.transitions, log.retention, log.effects, log.outlooks)
    for table, rows in zip(TRUTH_TABLES, truth, strict=True):
        with registered(connection, "made", rows.to_arrow()):
            connection.execute(f"insert into truth.{table} by name select *, ? as source from made", [NAME])


def _fingerprint(options: ClickstreamOptions) -> str:
    """A hash of all that the log is made of: options, parameters, and the simulator itself."""
    digest = hashlib.sha256(repr(options).encode())
    for file in (CONFIG_FILE, *(CONFIG_FILE.with_name(name) for name in ("model.py", "traits.py"))):
        digest.update(file.read_bytes())
    return digest.hexdigest()
