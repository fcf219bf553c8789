-- Reads times, whatever layout they are written in, to UTC: utc_time(text, date order, time zone).

-- Z, UTC or an offset of less than 15 hours behind a clock; empty without one.
create or replace temp macro zone_of(t) as
    regexp_extract(t, ':\d{2}(?:[.,]\d{1,9})?(?:\s*[AaPp][Mm])?\s*([Zz]|UTC|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)$', 1);

-- The same as minutes ahead of UTC.
create or replace temp macro zone_minutes(zone) as
    case when zone[1] in ('+', '-') then
        (case zone[1] when '-' then -1 else 1 end)
        * (60 * cast(zone[2:3] as integer) + coalesce(try_cast(replace(zone[4:], ':', '') as integer), 0))
    else 0 end;

-- A number is seconds, milliseconds or microseconds since 1970: between 1990 and 2286 the count of its digits tells.
create or replace temp macro is_since_1970(t) as regexp_full_match(t, '\d{9,17}(\.\d{1,9})?');
create or replace temp macro since_1970(t) as
    make_timestamp(try_cast(
        try_cast(t as decimal(27, 9))
        * (case when len(split_part(t, '.', 1)) <= 11 then 1000000 when len(split_part(t, '.', 1)) <= 14 then 1000 else 1 end)
        as bigint
    ));

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

-- A time that the zone's clock skips is read as an hour later; of the two that it shows twice, the later is meant.
create or replace temp macro utc_time(t, date_order, time_zone) as
    case
        -- The commonest layout, the fast way.
        when regexp_full_match(t, '\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z')
            then try_cast(rtrim(t, 'Z') as timestamp)
        when is_since_1970(t) then since_1970(t)
        when zone_of(t) = '' then timezone('UTC', timezone(time_zone, local_time(year_month_day(t, date_order))))
        else
            local_time(year_month_day(rtrim(left(t, len(t) - len(zone_of(t)))), date_order))
            - to_minutes(zone_minutes(zone_of(t)))
    end;

-- How a text is written: 9 for a digit, a for a letter; cut where it is long.
create or replace temp macro layout_of(t) as
    left(regexp_replace(regexp_replace(t, '\d', '9', 'g'), '\p{L}', 'a', 'g'), 40);
