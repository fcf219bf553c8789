{# Times as event logs write them, read to UTC. #}

{# A clock behind a date, a zone behind a clock, and a date with the year at its end, as patterns. #}
{% macro clock_pattern() -%}
    {{ return('(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?') }}
{%- endmacro %}

{% macro zone_pattern() -%}
    {{ return(':[0-9]{2}(?:[.,][0-9]{1,9})? *([Zz]|UTC|GMT|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)$') }}
{%- endmacro %}

{% macro year_last_pattern() -%}
    {%- set clock = '[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?( *[AaPp][Mm])?' -%}
    {{ return('[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4}(,?[T ]' ~ clock ~ ')?') }}
{%- endmacro %}

{#
    The instant (UTC) that a column of a type says, as log_times read it; null where it is text, or a number out of range:
    {{ instant_in_place({'kind': 'date', 'place': '_column_0'}, 'Europe/Berlin') }}
#}
{% macro instant_in_place(column, time_zone) -%}
    {%- set name = column.place -%}
    {%- if column.kind == 'timestamptz' -%}
        {{ as_utc(name) }}
    {%- elif column.kind in ('timestamp', 'date') -%}
        {{ from_zone('cast(' ~ name ~ ' as timestamp)', time_zone) }}
    {%- elif column.kind == 'integer' -%}
        {{ since_1970('try_cast(' ~ name ~ ' as bigint)') }}
    {%- elif column.kind == 'float' -%}
        {{ fraction_since_1970('case when ' ~ is_finite(name) ~ ' then cast(' ~ name ~ ' as double) end') }}
    {%- else -%}
        cast(null as timestamp)
    {%- endif -%}
{%- endmacro %}

{#
    CTEs, the last of them `timed`: rows with an `instant`, or an `at_text` to be read where that is null, and their
    `occurred_at`. {{ read_time_texts('named', 'day-first', 'Europe/Berlin') }}
#}
{% macro read_time_texts(rows, date_order, time_zone) -%}
    {%- set date = {'day-first': '\\3-\\2-\\1', 'month-first': '\\3-\\1-\\2'}.get(date_order) -%}
    {%- set year_last = '([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4})' -%}
    {%- set year_first = '([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})' -%}
    told as (
        select
            *,
            case when instant is null then at_text end as time_text
        from {{ rows }}
    ),

    -- The commonest layout needs no closer look; a number is a count since 1970.
    quick as (
        select
            *,
            case
                when time_text like '____-__-__T__:__:__Z' then try_cast(time_text as timestamp)
                when {{ matches('time_text', '[0-9]{9,19}') }} then {{ since_1970('try_cast(time_text as bigint)') }}
                when {{ matches('time_text', '[0-9]{9,17}[.][0-9]{1,9}') }}
                    then {{ fraction_since_1970('try_cast(time_text as decimal(28, 9))') }}
            end as quick_at
        from told
    ),

    spelt as (
        select
            *,
            case
                when quick_at is not null then null
                when {{ matches('time_text', '[0-9]{8}') }}
                    then {{ rewritten('time_text', '^([0-9]{4})([0-9]{2})([0-9]{2})$', '\\1-\\2-\\3') }}
                when {{ matches('time_text', '[0-9]{8}T[0-9]{6}.*') }}
                    then {{ rewritten(
                        'time_text',
                        '^([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})',
                        '\\1-\\2-\\3T\\4:\\5:\\6',
                    ) }}
                else time_text
            end as spelt_text
        from quick
    ),

    zoned as (
        select
            *,
            regexp_extract(spelt_text, {{ quote_text(zone_pattern()) }}, 1) as zone_text
        from spelt
    ),

    parted as (
        select
            *,
            rtrim(substr(spelt_text, 1, length(spelt_text) - length(zone_text))) as local_text
        from zoned
    ),

    dated as (
        select
            *,
            case
                when {{ matches('local_text', year_first ~ '([T ]' ~ clock_pattern() ~ ')?') }}
                    then {{ rewritten('local_text', '^' ~ year_first ~ '[T ]?', '\\1-\\2-\\3 ') }}
                {% if date -%}
                    when {{ matches('local_text', year_last ~ '(,?[T ]' ~ clock_pattern() ~ ')?') }}
                        then {{ rewritten('local_text', '^' ~ year_last ~ ',?[T ]?', date ~ ' ') }}
                {%- endif %}
            end as date_text
        from parted
    ),

    clocked as (
        select
            *,
            try_cast(replace(trim(date_text), ',', '.') as timestamp) as local_at
        from dated
    ),

    timed as (
        select
            *,
            coalesce(instant, quick_at, case
                when zone_text = '' then {{ from_zone('local_at', time_zone) }}
                else {{ minus_minutes('local_at', _zone_minutes('zone_text')) }}
            end) as occurred_at
        from clocked
    )
{%- endmacro %}

{# Minutes ahead of UTC of a zone such as +02:00, -0330, +02 or Z. #}
{% macro _zone_minutes(zone) -%}
    case
        when substr({{ zone }}, 1, 1) in ('+', '-') then (
            60 * cast(substr({{ zone }}, 2, 2) as integer)
            + coalesce(try_cast(replace(substr({{ zone }}, 4), ':', '') as integer), 0)
        ) * case when substr({{ zone }}, 1, 1) = '-' then -1 else 1 end
        else 0
    end
{%- endmacro %}

{# A timestamp minus a number of minutes held in a column: {{ minus_minutes('local_at', 'minutes') }} #}
{% macro minus_minutes(timestamp, minutes) -%}
    ({{ timestamp }} - ({{ minutes }}) * interval 1 minute)
{%- endmacro %}

{#
    A number since 1970: seconds, milliseconds, microseconds or nanoseconds, for between 1990 and 2286 its size tells.
    What is finer than a microsecond is cut off: {{ since_1970('cast(ts as bigint)') }}
#}
{% macro since_1970(number) -%}
    {{ from_microseconds(
        'case'
        ~ ' when ' ~ number ~ ' < 100000000 then null'
        ~ ' when ' ~ number ~ ' < 100000000000 then ' ~ number ~ ' * 1000000'
        ~ ' when ' ~ number ~ ' < 100000000000000 then ' ~ number ~ ' * 1000'
        ~ ' when ' ~ number ~ ' < 100000000000000000 then ' ~ number
        ~ ' else ' ~ thousandth(number)
        ~ ' end'
    ) }}
{%- endmacro %}

{# The same of a number with a fraction, rounded to microseconds; null for nanoseconds, which have none. #}
{% macro fraction_since_1970(number) -%}
    {{ from_microseconds(
        'cast(round(case'
        ~ ' when ' ~ number ~ ' < 100000000 then null'
        ~ ' when ' ~ number ~ ' < 100000000000 then ' ~ number ~ ' * 1000000'
        ~ ' when ' ~ number ~ ' < 100000000000000 then ' ~ number ~ ' * 1000'
        ~ ' when ' ~ number ~ ' < 100000000000000000 then ' ~ number
        ~ ' end) as bigint)'
    ) }}
{%- endmacro %}

{# The instant (UTC) of a count of microseconds since 1970: {{ from_microseconds('ts') }} #}
{% macro from_microseconds(count) -%}
    {{ return(adapter.dispatch('from_microseconds')(count)) }}
{%- endmacro %}

{% macro default__from_microseconds(count) -%}
    make_timestamp({{ count }})
{%- endmacro %}

{% macro spark__from_microseconds(count) -%}
    timestamp_micros({{ count }})
{%- endmacro %}

{# Whole microseconds since 1970 (UTC): {{ unix_microseconds('occurred_at') }} #}
{% macro unix_microseconds(timestamp) -%}
    {{ return(adapter.dispatch('unix_microseconds')(timestamp)) }}
{%- endmacro %}

{% macro default__unix_microseconds(timestamp) -%}
    epoch_us({{ timestamp }})
{%- endmacro %}

{% macro spark__unix_microseconds(timestamp) -%}
    unix_micros({{ timestamp }})
{%- endmacro %}

{# A positive whole number without its last three digits: {{ thousandth('nanoseconds') }} #}
{% macro thousandth(number) -%}
    {{ return(adapter.dispatch('thousandth')(number)) }}
{%- endmacro %}

{% macro default__thousandth(number) -%}
    {{ number }} // 1000
{%- endmacro %}

{% macro spark__thousandth(number) -%}
    {{ number }} div 1000
{%- endmacro %}

{# A timestamp with a zone as one in UTC without: {{ as_utc('ts') }} #}
{% macro as_utc(timestamp) -%}
    {{ return(adapter.dispatch('as_utc')(timestamp)) }}
{%- endmacro %}

{% macro default__as_utc(timestamp) -%}
    make_timestamp(epoch_us({{ timestamp }}))
{%- endmacro %}

{% macro spark__as_utc(timestamp) -%}
    cast({{ timestamp }} as timestamp)
{%- endmacro %}

{#
    The instant (UTC) of a clock's time in a zone. A time that the clock skips is read as an hour later; of the two that
    it shows twice, the later is meant: {{ from_zone('local_at', 'Europe/Berlin') }}
#}
{% macro from_zone(local, time_zone) -%}
    {%- if time_zone == 'UTC' -%}
        {{ local }}
    {%- else -%}
        {{ adapter.dispatch('from_zone')(local, quote_text(time_zone)) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__from_zone(local, time_zone) -%}
    timezone('UTC', timezone({{ time_zone }}, {{ local }}))
{%- endmacro %}

{% macro spark__from_zone(local, time_zone) -%}
    {#- Spark takes the earlier of two; three hours on, the clock runs as it did at the later. -#}
    {%- set earlier = 'to_utc_timestamp(' ~ local ~ ', ' ~ time_zone ~ ')' -%}
    {%- set hours_on = '(' ~ earlier ~ ' + interval 3 hours)' -%}
    {%- set later = '(' ~ hours_on ~ ' + (' ~ local ~ ' - from_utc_timestamp(' ~ hours_on ~ ', ' ~ time_zone ~ ')))' -%}
    case when from_utc_timestamp({{ later }}, {{ time_zone }}) = {{ local }} then {{ later }} else {{ earlier }} end
{%- endmacro %}
