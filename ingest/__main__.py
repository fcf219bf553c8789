"""`python -m ingest`: fills the warehouse's `raw` schema from files, tells what is there, publishes it."""

import argparse
import math
import sys
from datetime import date
from pathlib import Path

from common.errors import UserError, run_command, terminal_safe
from common.warehouse import open_warehouse, warehouse_path
from ingest.landing.clickstream import ClickstreamOptions
from ingest.landing.event_logs import LoadedLog, load_event_logs
from ingest.landing.in_place import register_event_logs
from ingest.landing.manifest import Batch, peek_current_batches, peek_event_logs
from ingest.landing.removal import Removal
from ingest.landing.viewing import NAME as VIEWING
from ingest.loads import load_file, load_stand_in, make_clickstream, remove, simulate
from ingest.making.viewing import SimulationOptions
from ingest.publishing.publication import publish
from ingest.reading.event_logs.options import PLAIN_LAYOUT, EventLogOptions
from ingest.reading.paths import find_files
from ingest.sources import SOURCES
from ingest.status import status_lines

NEXT = "next: `python -m ingest status` shows what is loaded; `dbt build` makes the marts of it"

NEXT_TO_PUBLISHED = "next: `dbt build --target spark` makes the marts in the lake (LAKE_PATH names it)"

NEXT_TO_REMOVED = (
    "next: `dbt build` makes the marts forget it; `python -m ingest` without a command would fill what is "
    "empty with data of its own again"
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, or 2 when the user has something to mend."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: options.run(options))


def _run_fill(_: argparse.Namespace) -> None:
    for source in SOURCES.values():
        if not _report_loaded(peek_current_batches(source.name)):
            _print_summaries(load_stand_in(source))
    if not _report_loaded(peek_current_batches(VIEWING)):
        _print_summaries(simulate(SimulationOptions()))
    if not _report_loaded(peek_event_logs()):
        _print_summaries(make_clickstream(ClickstreamOptions()))
    print(NEXT)


def _run_load(arguments: argparse.Namespace) -> None:
    batches = load_file(SOURCES[arguments.command], arguments.path, max_rejects=arguments.max_rejects)
    if not batches:
        print(f"{terminal_safe(str(arguments.path))} is loaded already: nothing to do")
    _print_summaries(batches)
    if any(batch.source == VIEWING for batch in batches):
        print("the viewing log was made anew, with the same options, because its catalogue was replaced")
    print(NEXT)


def _run_events(arguments: argparse.Namespace) -> None:
    options = EventLogOptions(
        source=arguments.source,
        user=arguments.user,
        event=arguments.event,
        at=arguments.at,
        session=arguments.session,
        event_id=arguments.event_id,
        item=arguments.item,
        properties=arguments.properties,
        date_order=arguments.date_order,
        time_zone=arguments.time_zone,
        event_name=arguments.event_name,
        every_row=arguments.every_row,
        columns=arguments.columns or (),
        encoding=arguments.encoding,
    )
    if arguments.no_header != bool(arguments.columns):
        raise UserError("--no-header and --columns belong together: name the columns of a CSV without header")
    paths = find_files(arguments.files)
    load = register_event_logs if arguments.in_place else load_event_logs
    loaded = load(paths, options, arguments.max_rejects, replace=arguments.replace)
    if len(loaded.logs) < len(paths):
        count = len(paths) - len(loaded.logs)
        print(f"{count:,} of {len(paths):,} files loaded already: nothing to do for them")
    for batch in loaded.replaced.batches:
        print(f"{batch.source}: {batch.rows_loaded:,} rows taken out of {terminal_safe(batch.file_name)}")
    for log in loaded.logs:
        _print_summaries([log.batch])
        _print_known(log)
    _print_later(loaded.replaced.later)
    print(NEXT)


def _run_simulate(arguments: argparse.Namespace) -> None:
    options = SimulationOptions(
        viewers=arguments.viewers, days=arguments.days, seed=arguments.seed, start_date=arguments.start_date
    )
    batches = simulate(options)
    if not batches:
        print("the viewing log of these options is loaded already: nothing to do")
    _print_summaries(batches)
    print(NEXT)


def _run_clickstream(arguments: argparse.Namespace) -> None:
    options = ClickstreamOptions(users=arguments.users, days=arguments.days, seed=arguments.seed)
    batches = make_clickstream(options)
    if not batches:
        print("the clickstream of these options is loaded already: nothing to do")
    _print_summaries(batches)
    print(NEXT)


def _run_remove(arguments: argparse.Namespace) -> None:
    _print_removal(remove(arguments.source, arguments.file))
    print(NEXT_TO_REMOVED)


def _run_publish(arguments: argparse.Namespace) -> None:
    done = publish(arguments.folder)
    print(
        f"{terminal_safe(str(arguments.folder))}: {done.tables:,} tables, {done.rows:,} rows, "
        f"{done.bytes / 1e6:,.1f} MB; of these written now: {done.rows_written:,} rows, "
        f"{done.bytes_written / 1e6:,.1f} MB, in {done.seconds:.1f} s"
    )
    print(
        f"loads: {done.loads_written:,} written, {done.loads_kept:,} kept, {done.loads_dropped:,} dropped; "
        f"training runs: {done.runs_written:,} written"
    )
    print(NEXT_TO_PUBLISHED)


def _run_status(_: argparse.Namespace) -> None:
    with open_warehouse(read_only=True) as connection:
        lines = status_lines(connection)
    print(f"warehouse: {terminal_safe(str(warehouse_path()))}", *lines, sep="\n")


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
        command.add_argument("path", type=Path, metavar="PATH", help="the file or folder, as published")
        _add_max_rejects(command)
        command.set_defaults(run=_run_load)
    _add_events(commands.add_parser("events", help="event logs of your own: CSV, JSON or Parquet"))
    command = commands.add_parser("simulate", help="make the viewing log on the loaded catalogue")
    defaults = SimulationOptions()
    command.add_argument("--viewers", type=int, default=defaults.viewers, help="default: %(default)s")
    command.add_argument("--days", type=int, default=defaults.days, help="default: %(default)s")
    command.add_argument("--seed", type=int, default=defaults.seed, help="default: %(default)s")
    command.add_argument(
        "--start-date",
        type=_date,
        default=defaults.start_date,
        metavar="YYYY-MM-DD",
        help="first day of the log; default: %(default)s",
    )
    command.set_defaults(run=_run_simulate)
    command = commands.add_parser("clickstream", help="make an event log whose personas are known")
    made = ClickstreamOptions()
    command.add_argument("--users", type=int, default=made.users, help="default: %(default)s")
    command.add_argument("--days", type=int, default=made.days, help="default: %(default)s")
    command.add_argument("--seed", type=int, default=made.seed, help="default: %(default)s")
    command.set_defaults(run=_run_clickstream)
    command = commands.add_parser("remove", help="take loads out of the warehouse again")
    command.add_argument("source", metavar="SOURCE", help="as `status` names it")
    command.add_argument("--file", metavar="NAME", help="only what was loaded from files of this name")
    command.set_defaults(run=_run_remove)
    command = commands.add_parser("publish", help="write the warehouse to a lake: Parquet that Spark reads")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="the lake; made where there is nothing")
    command.set_defaults(run=_run_publish)
    command = commands.add_parser("status", help="what is loaded, from where, real or not; rejects by reason")
    command.set_defaults(run=_run_status)
    return parser


def _add_events(command: argparse.ArgumentParser) -> None:
    layout = ", ".join(PLAIN_LAYOUT.values())
    command.description = (
        "Load event logs: CSV, JSON (an object a line, or one list) or Parquet, also packed by gzip, zstd or "
        f"zip. Without --user, --event and --at the columns are {layout}. Columns left over are kept as "
        "properties. In JSON, user.id is the key id within the key user."
    )
    command.add_argument("files", nargs="+", metavar="FILE", help="files, or patterns such as 'logs/*.csv'")
    command.add_argument(
        "--source", default="events", help="name of the log in all marts; default: %(default)s"
    )
    command.add_argument("--user", metavar="COL", help="column with the user's id")
    command.add_argument("--event", metavar="COL", help="column with the event's name")
    command.add_argument("--event-name", metavar="NAME", help="name of every event, in place of --event")
    command.add_argument("--at", metavar="COL", help="column with the time: ISO 8601, or a number since 1970")
    command.add_argument(
        "--session", metavar="COL", help="column with the session's id; else the gap decides"
    )
    command.add_argument(
        "--event-id",
        metavar="COL",
        help="column with the event's id; else made of user, session, event, item and time",
    )
    command.add_argument("--item", metavar="COL", help="column with what the event is about")
    command.add_argument(
        "--properties",
        type=_names,
        metavar="COL,...",
        help="columns kept as properties; default: all left over",
    )
    order = command.add_mutually_exclusive_group()
    for name in ("day-first", "month-first"):
        order.add_argument(
            f"--{name}", dest="date_order", action="store_const", const=name, help=f"01/02/2025 is {name}"
        )
    command.add_argument(
        "--time-zone", default="UTC", metavar="ZONE", help="of times that name none; default: %(default)s"
    )
    command.add_argument(
        "--every-row",
        action="store_true",
        help="each row is an event of its own, rows alike in two files too: for times that are whole dates",
    )
    command.add_argument(
        "--replace", action="store_true", help="take out what was loaded of these files, and read them anew"
    )
    command.add_argument(
        "--in-place",
        action="store_true",
        help="register Parquet files, and copy nothing: the models read them where they lie",
    )
    command.add_argument(
        "--no-header",
        action="store_true",
        help="the first line of a CSV is a row, see --columns",
    )
    command.add_argument(
        "--columns", type=_names, metavar="COL,...", help="the columns of a CSV without a header, in order"
    )
    command.add_argument(
        "--encoding",
        metavar="NAME",
        help="of CSV and JSON, such as cp1252 or latin-1; default: UTF-8, or UTF-16 with its mark",
    )
    _add_max_rejects(command)
    command.set_defaults(run=_run_events)


def _add_max_rejects(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--max-rejects",
        type=_share,
        default=1.0,
        metavar="SHARE",
        help="fail if a larger share of rows (0 to 1) can't be loaded; default: only if no row can be",
    )


def _names(text: str) -> tuple[str, ...]:
    if text != text.encode("utf-8", "ignore").decode():
        raise argparse.ArgumentTypeError("names that are not UTF-8")
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to 1")
    return value


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no date like 2025-01-31") from error


def _report_loaded(batches: list[Batch]) -> bool:
    for batch in batches:
        print(f"{batch.source} ({batch.origin}): loaded already, from {terminal_safe(batch.file_name)}")
    return bool(batches)


def _print_known(log: LoadedLog) -> None:
    """What of a log the source held before, as the same events or as others."""
    name = f"{log.batch.source}, {terminal_safe(log.batch.file_name)}"
    if log.rows_held:
        print(f"{name}: {log.rows_held:,} of its events were held already, and are there once")
    if log.is_likely_known:
        print(
            f"{name}: warning: {log.met_share:.0%} of its new events are of users who have others at that "
            "instant: is it a log loaded before, read in another way? --replace takes a file out first"
        )


def _print_summaries(batches: list[Batch]) -> None:
    for batch in batches:
        print(
            f"{batch.source} ({batch.origin}): {batch.rows_read:,} rows read, {batch.rows_loaded:,} loaded, "
            f"{batch.rows_rejected:,} rejected, {batch.rows_duplicate:,} duplicate, "
            f"in {batch.load_seconds:.1f} s, from {terminal_safe(batch.file_name)}"
        )


def _print_removal(removal: Removal) -> None:
    for batch in removal.batches:
        rejects = f", its {batch.rows_rejected:,} rejected ones too" if batch.rows_rejected else ""
        truth = ", its truth too" if batch.origin == "simulated" else ""
        print(
            f"{batch.source} ({batch.origin}): {batch.rows_loaded:,} rows taken out{rejects}{truth}; "
            f"they came from {terminal_safe(batch.file_name)}"
        )
    if {batch.source for batch in removal.batches} == {"anime", VIEWING}:
        print("the viewing log went with the catalogue that it was made on")
    _print_later(removal.later)


def _print_later(batches: list[Batch]) -> None:
    """Loads that may lack rows since others were taken out."""
    for batch in batches:
        print(
            f"{batch.source}: {terminal_safe(batch.file_name)} stays, but {batch.rows_duplicate:,} of its "
            "rows were there already when it came: if they went now, remove it too and load it again"
        )


if __name__ == "__main__":
    sys.exit(main())
