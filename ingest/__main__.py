"""`python -m ingest`: fills the warehouse's `raw` schema from files, and tells what is there."""

import argparse
import os
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from ingest.delivery import Source
from ingest.errors import run_command, terminal_safe
from ingest.files import sha256_of
from ingest.landing import (
    Batch,
    check_rejects,
    current_batches,
    land,
    peek_current_batches,
    transaction,
)
from ingest.sources import SOURCES
from ingest.status import status_lines
from ingest.viewing import NAME as VIEWING
from ingest.viewing import SimulationOptions, land_viewing, options_of
from ingest.warehouse import open_warehouse, warehouse_path

NEXT = "next: `python -m ingest status` shows what is loaded; `dbt build` makes the marts of it"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, or 2 when the user has something to mend."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: options.run(options))


def load_file(source: Source, path: Path, *, max_rejects: float = 1.0) -> None:
    """Load a file that the user gave, unless it is the one that is loaded already.

    Raises:
        UserError: the file can't be used, or another process holds the warehouse.
    """
    started = time.monotonic()
    sha256 = sha256_of(path)
    for batch in peek_current_batches(source.name):
        if batch.sha256 == sha256 and batch.origin == "real":
            print(f"{source.name}: {terminal_safe(str(path))} is loaded already: nothing to do")
            return
    delivery = source.read(path)
    check_rejects(path, delivery, max_rejects)
    with open_warehouse() as connection:
        viewing = None
        with transaction(connection):
            batch = land(
                connection,
                source,
                delivery,
                origin="real",
                file_name=_file_name(path),
                sha256=sha256,
                started=started,
            )
            logs = current_batches(connection, VIEWING) if source.name == "anime" else []
            if logs:
                viewing, _ = land_viewing(connection, options_of(logs[-1]))
    _print_summary(batch)
    if viewing:
        print("the viewing log was made anew with the same options, because its catalogue was replaced")
        _print_summary(viewing)
    print(NEXT)


def load_stand_in(source: Source) -> None:
    """Make and load a source's stand-in, through its reader, if nothing at all was loaded for it."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stand-in-") as folder, open_warehouse() as connection:
        if current_batches(connection, source.name):
            return
        path = source.write_stand_in(Path(folder))
        delivery = source.read(path)
        with transaction(connection):
            batch = land(
                connection,
                source,
                delivery,
                origin="stand-in",
                file_name=path.name,
                sha256=sha256_of(path),
                started=started,
            )
    _print_summary(batch)


def simulate(options: SimulationOptions) -> None:
    """Make the viewing log, on the stand-in catalogue when none is loaded."""
    load_stand_in(SOURCES["anime"])
    with open_warehouse() as connection, transaction(connection):
        batch, is_new = land_viewing(connection, options)
    if is_new:
        _print_summary(batch)
    else:
        print(f"viewing: the log of these options is loaded already ({batch.file_name}): nothing to do")


def _run_fill(_: argparse.Namespace) -> None:
    for source in SOURCES.values():
        if not _report_loaded(source.name):
            load_stand_in(source)
    if not _report_loaded(VIEWING):
        simulate(SimulationOptions())
    print(NEXT)


def _report_loaded(source: str) -> bool:
    batches = peek_current_batches(source)
    for batch in batches:
        print(f"{source} ({batch.origin}): loaded already, from {terminal_safe(batch.file_name)}")
    return bool(batches)


def _run_load(arguments: argparse.Namespace) -> None:
    load_file(SOURCES[arguments.command], arguments.path, max_rejects=arguments.max_rejects)


def _run_simulate(arguments: argparse.Namespace) -> None:
    simulate(
        SimulationOptions(
            viewers=arguments.viewers,
            days=arguments.days,
            seed=arguments.seed,
            start_date=arguments.start_date,
        )
    )
    print(NEXT)


def _run_status(_: argparse.Namespace) -> None:
    with open_warehouse(read_only=True) as connection:
        print(f"warehouse: {terminal_safe(str(warehouse_path()))}")
        print("\n".join(status_lines(connection)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ingest",
        description="Load files into the warehouse. Without a command: fill each source that nothing was "
        "loaded for with data this project makes itself.",
    )
    parser.set_defaults(run=_run_fill)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for source in SOURCES.values():
        command = commands.add_parser(source.name, help=source.help, description=f"Load {source.help}.")
        command.add_argument("path", type=Path, metavar="PATH", help="the file, as published")
        command.add_argument(
            "--max-rejects",
            type=_share,
            default=1.0,
            metavar="SHARE",
            help="fail if a larger share of rows (0 to 1) can't be loaded; default: only if no row can be",
        )
        command.set_defaults(run=_run_load)
    command = commands.add_parser("simulate", help="make the viewing log on the loaded catalogue")
    defaults = SimulationOptions()
    command.add_argument("--viewers", type=_count, default=defaults.viewers, help="default: %(default)s")
    command.add_argument("--days", type=_count, default=defaults.days, help="default: %(default)s")
    command.add_argument("--seed", type=_seed, default=defaults.seed, help="default: %(default)s")
    command.add_argument(
        "--start-date",
        type=_date,
        default=defaults.start_date,
        metavar="YYYY-MM-DD",
        help="first day of the log; default: %(default)s",
    )
    command.set_defaults(run=_run_simulate)
    command = commands.add_parser("status", help="what is loaded, from where, real or not; rejects by reason")
    command.set_defaults(run=_run_status)
    return parser


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to 1")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 to 2^63")
    return value


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no date like 2025-01-31") from error


def _file_name(path: Path) -> str:
    """The file's name as text that can be stored: a name on disk may hold bytes that are not UTF-8."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def _print_summary(batch: Batch) -> None:
    print(
        f"{batch.source} ({batch.origin}): {batch.rows_read:,} rows read, {batch.rows_loaded:,} loaded, "
        f"{batch.rows_rejected:,} rejected, {batch.rows_duplicate:,} duplicate, "
        f"in {batch.load_seconds:.1f} s, from {terminal_safe(batch.file_name)}"
    )


if __name__ == "__main__":
    sys.exit(main())
