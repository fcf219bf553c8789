"""The SQL of a load: from the blocks of a file, by way of a temporary table, into `raw.events`.

`block` (as read) -> `arrivals` (all rows of the file: events, or a reason why not) -> raw.
"""

from pathlib import Path

from ingest.reading.event_logs.files import LogFile, literal
from ingest.reading.event_logs.options import Columns

TIMES = Path(__file__).with_name("times.sql").read_text(encoding="utf-8")

ARRIVALS = """
    create or replace temp table arrivals (
        event_id varchar, is_id_given boolean, user_id varchar, session_id varchar, event_name varchar,
        item_id varchar, occurred_at timestamp, properties varchar, _row_number bigint,
        column_name varchar, reason varchar, raw_text varchar
    )
"""

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

# Rows with the same id within the file, numbered.
REPEATS = """
    create or replace temp table repeats as
    select
        _row_number,
        row_number() over (partition by event_id order by _row_number) as occurrence
    from arrivals
    where
        reason is null
        and event_id in (
            select event_id from arrivals
            where reason is null
            group by event_id
            having count(*) > 1
        )
"""

# An id that the log gives is one event however often it is delivered. Rows alike without an id are as many
# events; they are the same ones in the next delivery of the same rows.
INSERT_NEW = """
    insert into raw.events by name
    with numbered as (
        select
            arrivals.* exclude (event_id, is_id_given, column_name, reason, raw_text),
            case
                when repeats.occurrence > 1 and not arrivals.is_id_given
                    then concat(arrivals.event_id, '-', repeats.occurrence)
                else arrivals.event_id
            end as event_id
        from arrivals
        left join repeats on arrivals._row_number = repeats._row_number
        where
            arrivals.reason is null
            and not (arrivals.is_id_given and coalesce(repeats.occurrence, 1) > 1)
    )
    select
        numbered.*,
        ? as source,
        ? as _batch_id,
        ? as _source_file,
        cast(? as timestamp) as _loaded_at
    from numbered
    anti join (select event_id from raw.events where source = ?) as loaded using (event_id)
"""


def insert_block(log: LogFile, columns: Columns) -> str:
    """SQL that adds a `block` to the `arrivals`. Parameters: date_order, time_zone, earliest, latest."""

    def text(column: str | None) -> str:
        return "cast(null as varchar)" if column is None else log.text(column)

    def fault(column: str | None, reason: str) -> str:
        name = "null" if column is None else literal(column)
        return f"{{'column_name': cast({name} as varchar), 'reason': cast({reason} as varchar)}}"

    swapped = "'the time can be day first or month first: say which by --day-first or --month-first'"
    unread = "'the time can''t be read, written like ' || layout_of(time_text)"
    return f"""
        insert into arrivals by name
        with named as (
            select
                _row_number,
                {log.raw_text} as raw_text,
                {log.is_readable} as is_readable,
                {text(columns.event_id)} as given_id,
                {text(columns.user)} as user_id,
                {text(columns.session)} as session_id,
                {text(columns.event)} as event_name,
                {text(columns.item)} as item_id,
                {text(columns.at)} as time_text,
                cast({log.properties(columns)} as varchar) as properties,
                cast({log.identity(columns)} as varchar) as identity
            from {log.rows}
        ),
        timed as (
            select *, utc_time(time_text, $date_order, $time_zone) as occurred_at
            from named
        ),
        judged as (
            select
                *,
                case
                    when not is_readable then {fault(None, "'the line is no JSON object'")}
                    when user_id is null then {fault(columns.user, "'the user is missing'")}
                    when event_name is null then {fault(columns.event, "'the event''s name is missing'")}
                    when time_text is null then {fault(columns.at, "'the time is missing'")}
                    when occurred_at is null and has_year_last(time_text) and $date_order is null
                        then {fault(columns.at, swapped)}
                    when occurred_at is null then {fault(columns.at, unread)}
                    when occurred_at < $earliest then {fault(columns.at, "'the time is before 1990'")}
                    when occurred_at > $latest then {fault(columns.at, "'the time is in the future'")}
                end as fault
            from timed
        )
        select
            _row_number,
            coalesce(
                given_id,
                -- The second first, so that ids sort by time: where one is looked for, the engine skips all
                -- that was stored of other times.
                concat(
                    printf('%08x', cast(floor(epoch(occurred_at)) as bigint)),
                    left(md5(concat_ws(
                        chr(31), user_id, coalesce(session_id, ''), event_name, coalesce(item_id, ''),
                        cast(occurred_at as varchar), coalesce(identity, '')
                    )), 24)
                )
            ) as event_id,
            given_id is not null as is_id_given,
            user_id,
            session_id,
            event_name,
            item_id,
            occurred_at,
            properties,
            fault.column_name as column_name,
            fault.reason as reason,
            case when fault.reason is not null then raw_text end as raw_text
        from judged
    """
