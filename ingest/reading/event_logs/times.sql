-- Reads times to UTC, whatever layout they are written in; the steps are put together where events are loaded.

-- A time that the zone's clock skips is read as an hour later; of the two that it shows twice, the later is meant.
create or replace temp macro from_zone(local, time_zone) as
    case when time_zone = 'UTC' then local else timezone('UTC', timezone(time_zone, local)) end;

-- A number is seconds, milliseconds, microseconds or nanoseconds since 1970: between 1990 and 2286 its size tells.
-- What is finer than a microsecond is cut off, as it is in a text with a fraction of so many digits.
create or replace temp macro since_1970(number) as
    make_timestamp(
        case
            when number < 100000000 then null
            when number < 100000000000 then number * 1000000
            when number < 100000000000000 then number * 1000
            when number < 100000000000000000 then number
            else number // 1000
        end
    );
-- The same of a number with a fraction, which is rounded to microseconds; null for nanoseconds, which have none.
create or replace temp macro fraction_since_1970(number) as
    make_timestamp(cast(round(
        case
            when number < 100000000 then null
            when number < 100000000000 then number * 1000000
            when number < 100000000000000 then number * 1000
            when number < 100000000000000000 then number
        end
    ) as bigint));

-- A count of units since 1970, whose size is known; what lies beyond the years 1 and 9999 is set to their edges.
create or replace temp macro of_seconds(number) as
    make_timestamp(1000000 * case
        when number < -62135596800 then -62135596800
        when number > 253402300799 then 253402300799
        else number
    end);
create or replace temp macro of_milliseconds(number) as
    make_timestamp(1000 * case
        when number < -62135596800000 then -62135596800000
        when number > 253402300799999 then 253402300799999
        else number
    end);
create or replace temp macro of_microseconds(number) as
    make_timestamp(case
        when number < -62135596800000000 then -62135596800000000
        when number > 253402300799999999 then 253402300799999999
        else number
    end);
create or replace temp macro of_nanoseconds(number) as make_timestamp(number // 1000);

-- The commonest layouts, which need no closer look; null for any other.
create or replace temp macro quick_time(t, time_zone) as
    case
        when t like '____-__-__T__:__:__Z' then try_cast(t as timestamp)
        when regexp_full_match(t, '\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?')
            then from_zone(try_cast(t as timestamp), time_zone)
        when regexp_full_match(t, '\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|\+00:00)')
            then try_cast(t as timestamp)
        when regexp_full_match(t, '\d{9,19}') then since_1970(try_cast(t as bigint))
        when regexp_full_match(t, '\d{9,17}\.\d{1,9}') then fraction_since_1970(try_cast(t as decimal(28, 9)))
    end;

-- 31 Jan 2025 and Jan 31, 2025, a weekday before or a clock behind them or not, with the year first and their parts
-- where they always are: 2025-Jan-31 10:15; any other text as it is. The first three letters tell the month.
create or replace temp macro year_name_day(t) as
    regexp_replace(
        regexp_replace(
            t,
            '(?i)^(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+)?(\d{1,2})[\s/-]+'
            || '(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}[.,]?[\s/-]+(\d{4})(?:[\s,:T]+(\d.*))?$',
            '\3-\2-\1 \4'
        ),
        '(?i)^(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+)?'
        || '(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})(?:[\s,]+(\d.*))?$',
        '\3-\1-\2 \4'
    );

-- The same with the month as a number, and 20250131T101500 as 2025-01-31T10:15:00; any other text as it is.
create or replace temp macro in_numbers(t) as
    case
        when regexp_matches(t, '^\d{4}-[A-Za-z]{3}-')
            then rtrim(concat(
                t[:5], cast((strpos('janfebmaraprmayjunjulaugsepoctnovdec', lower(t[6:8])) + 2) // 3 as varchar), t[9:]
            ))
        when regexp_matches(t, '^\d{8}(?:T\d{6}|$)')
            then regexp_replace(t, '^(\d{4})(\d\d)(\d\d)(?:(T\d\d)(\d\d)(\d\d))?', '\1-\2-\3\4:\5:\6').rtrim(':')
        else t
    end;

-- Z, UTC, GMT or an offset of less than 15 hours behind a clock; empty without one.
create or replace temp macro zone_of(t) as
    regexp_extract(
        t, ':\d{2}(?:[.,]\d{1,9})?(?:\s*[AaPp][Mm])?\s*([Zz]|UTC|GMT|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)$', 1
    );

-- The same as minutes ahead of UTC.
create or replace temp macro zone_minutes(zone) as
    case when zone[1] in ('+', '-') then
        (case zone[1] when '-' then -1 else 1 end)
        * (60 * cast(zone[2:3] as integer) + coalesce(try_cast(replace(zone[4:], ':', '') as integer), 0))
    else 0 end;

create or replace temp macro has_year_first(t) as
    regexp_full_match(t, '\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(\s*[AaPp][Mm])?)?');
create or replace temp macro has_year_last(t) as
    regexp_full_match(t, '\d{1,2}[-/.]\d{1,2}[-/.]\d{4}(,?[T ]\d{1,2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(\s*[AaPp][Mm])?)?');

-- The text with its date as 2025-1-31; dates with the year last only if it is said which comes first.
create or replace temp macro year_month_day(t, date_order) as
    case
        when has_year_first(t) then regexp_replace(t, '^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})T?', '\1-\2-\3 ')
        when has_year_last(t) and date_order = 'day-first'
            then regexp_replace(t, '^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}),?T?', '\3-\2-\1 ')
        when has_year_last(t) and date_order = 'month-first'
            then regexp_replace(t, '^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}),?T?', '\3-\1-\2 ')
    end;

-- Null where there is no such day or hour.
create or replace temp macro local_time(t) as
    case
        when regexp_matches(t, '[AaPp][Mm]$') then try_strptime(
            regexp_replace(regexp_replace(upper(t), '\s*([AP]M)$', ' \1'), '\s+', ' ', 'g'),
            ['%Y-%m-%d %I:%M:%S.%f %p', '%Y-%m-%d %I:%M:%S %p', '%Y-%m-%d %I:%M %p']
        )
        else try_cast(replace(trim(t), ',', '.') as timestamp)
    end;

-- How a text is written: 9 for a digit, a for a letter; cut where it is long.
create or replace temp macro layout_of(t) as
    left(regexp_replace(regexp_replace(t, '\d', '9', 'g'), '\p{L}', 'a', 'g'), 40);
