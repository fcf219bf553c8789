"""The SQL of a load: from the rows of a file, by way of a temporary table, into `raw.events`.

`block` (as read) -> `arrivals` (all rows of the file: events, or a reason why not) -> raw.

What is plainly right takes a short way: `case` and `coalesce` look closely only at the rows that are left.
"""

from pathlib import Path

from ingest.reading.event_logs.files import LogFile, literal
from ingest.reading.event_logs.options import Columns, EventLogOptions

MACROS = "".join(
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("times.sql", "ids.sql")
)

INSERT_REJECTS = """
    insert into raw.rejects by name
    select
        ? as batch_id,
        ? as source,
        ? as file_name,
        _row_number as row_number,
        column_name,
        reason,
        raw_text
    from arrivals
    where reason is not null
"""

# Rows with the same id within the file, numbered. Hashes are smaller than ids; sharing one does no harm.
REPEATS = """
    create or replace temp table repeats as
    select
        _row_number,
        row_number() over (partition by event_id order by _row_number) as occurrence
    from arrivals
    where
        reason is null
        and hash(event_id) in (
            select hash(event_id) from arrivals
            where reason is null
            group by all
            having count(*) > 1
        )
"""

# An id that the log gives is one event however often it is delivered. Rows alike without an id are as many
# events; they are the same ones in the next delivery of the same rows.
NUMBERED = """
    create or replace temp view numbered as
    select
        arrivals.* exclude (event_id, is_id_given, column_name, reason, raw_text),
        case
            when repeats.occurrence > 1 then concat(arrivals.event_id, '-', repeats.occurrence)
            else arrivals.event_id
        end as event_id
    from arrivals
    left join repeats on arrivals._row_number = repeats._row_number
    where arrivals.reason is null and not (arrivals.is_id_given and coalesce(repeats.occurrence, 1) > 1)
"""

# Arrivals that other loads brought before. Ids that ingest makes sort by time: from the first to the last,
# the engine skips all that was stored of other times.
HELD = """
    create or replace temp table held as
    select _row_number from numbered
    where event_id in (
        select event_id from raw.events where source = $source and event_id between $first and $last
    )
"""

INSERT_NEW = """
    insert into raw.events by name
    select
        numbered.*,
        ? as source,
        ? as _batch_id,
        ? as _source_file,
        cast(? as timestamp) as _loaded_at
    from numbered
    anti join held on numbered._row_number = held._row_number
"""

# Every so many rows of a load, but for those alike to others: where times are whole dates, there are many.
SAMPLED = """
    create or replace temp table sampled as
    select
        user_id,
        occurred_at
    from raw.events
    where
        _batch_id = ?
        and _row_number % ? = 0
        and _row_number not in (select _row_number from repeats where occurrence > 1)
"""

# Those of them whose user has an event of another load at the same instant.
COUNT_MET = """
    select count(*) from sampled
    where (user_id, occurred_at) in (
        select
            user_id,
            occurred_at
        from raw.events
        where source = $source and _batch_id <> $batch_id and occurred_at between $first and $last
    )
"""


def create_arrivals(log: LogFile, columns: Columns, options: EventLogOptions, sha256: str) -> str:
    """SQL that makes the `arrivals` of a `block`. Parameters: earliest, latest."""
    more = (
        "user_id",
        "session_id",
        "event_name",
        "item_id",
        "occurred_at",
        f"cast({log.properties(columns)} as varchar) as properties",
        f"case when fault is not null then {log.raw_text} end as raw_text",
    )
    return f"create or replace temp table arrivals as {select_arrivals(log, columns, options, sha256, *more)}"


def select_arrivals(log: LogFile, columns: Columns, options: EventLogOptions, sha256: str, *more: str) -> str:
    """SQL of a `block`'s rows: what each is known by, or why it is no event. Parameters: earliest, latest.

    Args:
        more: SQL of what else is selected of them.
    """

    def id_of(column: str | None) -> str:
        return "cast(null as varchar)" if column is None else log.id_text(column)

    zone, order = literal(options.time_zone), literal(options.date_order or "")
    event_name = literal(options.event_name) if options.event_name else id_of(columns.event)
    # Where each row is an event of its own, its file is part of what it is known by.
    file = literal(sha256) if options.every_row else "null"
    faults = list(enumerate(_faults(log, columns, order), start=1))
    codes = " ".join(f"when {condition} then {code}" for code, (condition, _, _) in faults)
    names = " ".join(f"when {code} then {name}" for code, (_, name, _) in faults)
    reasons = " ".join(f"when {code} then {reason}" for code, (_, _, reason) in faults)
    return f"""
        with named as (
            select
                *,
                {id_of(columns.event_id)} as given_id,
                {id_of(columns.user)} as user_id,
                {id_of(columns.session)} as session_id,
                {event_name} as event_name,
                {id_of(columns.item)} as item_id,
                {log.instant(columns.at, zone)} as instant
            from {log.rows}
        ),
        told as (
            select
                *,
                case when instant is null then {log.text(columns.at)} end as time_text
            from named
        ),
        {read_times("told", order, zone)},
        placed as (
            select
                *,
                coalesce(instant, read_at) as occurred_at
            from timed
        ),
        judged as (
            select
                *,
                case {codes} end as fault
            from placed
        )
        select
            _row_number,
            coalesce(
                given_id, made_id(user_id, session_id, event_name, item_id, occurred_at, {file})
            ) as event_id,
            given_id is not null as is_id_given,
            case when fault is not null then cast(case fault {names} end as varchar) end as column_name,
            case when fault is not null then case fault {reasons} end end as reason,
            {", ".join(more)}
        from judged
    """


def read_times(rows: str, order: str, zone: str) -> str:
    """SQL of CTEs: the last, `timed`, is `rows` and `read_at`, what their `time_text` says in UTC, or null.

    Args:
        order: SQL of which comes first in dates with the year last, day-first or month-first; else ''.
        zone: SQL of the time zone of times that name none.
    """
    return f"""
        quick as (
            select *, quick_time(time_text, {zone}) as quick_at from {rows}
        ),
        turned as (
            select *, case when quick_at is null then year_name_day(time_text) end as turned_text from quick
        ),
        spelt as (
            select *, in_numbers(turned_text) as spelt_text from turned
        ),
        zoned as (
            select *, zone_of(spelt_text) as zone from spelt
        ),
        dated as (
            select
                *,
                year_month_day(rtrim(left(spelt_text, len(spelt_text) - len(zone))), {order}) as local_text
            from zoned
        ),
        clocked as (
            select *, local_time(local_text) as local_at from dated
        ),
        timed as (
            select
                *,
                case
                    when quick_at is not null then quick_at
                    when zone = '' then from_zone(local_at, {zone})
                    else local_at - to_minutes(zone_minutes(zone))
                end as read_at
            from clocked
        )
    """


def _faults(log: LogFile, columns: Columns, order: str) -> list[tuple[str, str, str]]:
    """What can be wrong with a row, the first that is true is told: a condition, the column, the reason."""
    ids = {
        "user_id": (columns.user, "the user"),
        "event_name": (columns.event, "the event''s name"),
        "session_id": (columns.session, "the session"),
        "item_id": (columns.item, "the item"),
        "given_id": (columns.event_id, "the event''s id"),
    }
    unfit = [
        (log.is_unfit(column, name), literal(column), f"'{what} is no text or number'")
        for name, (column, what) in ids.items()
        if column is not None
    ]
    missing = [
        (f"{name} is null", literal(ids[name][0] or ""), f"'{ids[name][1]} is missing'")
        for name in ("user_id", "event_name")
    ]
    at = literal(columns.at)
    swapped = "'the time can be day first or month first: say which by --day-first or --month-first'"
    unread = f"'the time can''t be read, written like ' || layout_of({log.text(columns.at)})"
    no_time = f"occurred_at is null and {log.text(columns.at)} is null"
    return [
        (f"{log.torn} is not null", "null", log.torn),
        *unfit,
        *missing,
        (no_time, at, "'the time is missing'"),
        (f"occurred_at is null and {order} = '' and has_year_last(time_text)", at, swapped),
        ("occurred_at is null", at, unread),
        ("occurred_at < $earliest", at, "'the time is before 1990'"),
        ("occurred_at > $latest", at, "'the time is in the future'"),
    ]
