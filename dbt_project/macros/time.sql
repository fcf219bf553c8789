{# Time arithmetic that DuckDB and Spark spell or answer differently. #}

{# `timestamp` plus a number of days: {{ add_days('started_at', 14) }} #}
{% macro add_days(timestamp, days) -%}
    ({{ timestamp }} + interval {{ days }} day)
{%- endmacro %}

{# `timestamp` plus a number of seconds held in a column: {{ add_seconds('started_at', 'watch_seconds') }} #}
{% macro add_seconds(timestamp, seconds) -%}
    ({{ timestamp }} + ({{ seconds }}) * interval 1 second)
{%- endmacro %}

{# Seconds, with their fraction, from one timestamp to a later one: {{ seconds_between('started_at', 'ended_at') }} #}
{% macro seconds_between(earlier, later) -%}
    {{ return(adapter.dispatch('seconds_between')(earlier, later)) }}
{%- endmacro %}

{% macro default__seconds_between(earlier, later) -%}
    (epoch({{ later }}) - epoch({{ earlier }}))
{%- endmacro %}

{% macro spark__seconds_between(earlier, later) -%}
    (cast({{ later }} as double) - cast({{ earlier }} as double))
{%- endmacro %}

{#
    Hours from the end of what came before to a start: 0 where it was still on, null without any.
    {{ hours_of_pause('previous_ended_at', 'started_at') }}
#}
{% macro hours_of_pause(ended_at, started_at) -%}
    case
        when {{ ended_at }} > {{ started_at }} then 0
        else {{ seconds_between(ended_at, started_at) }} / 3600
    end
{%- endmacro %}

{# Day of the week by ISO 8601, 1 (Monday) to 7: {{ iso_weekday('started_at') }} #}
{% macro iso_weekday(timestamp) -%}
    {{ return(adapter.dispatch('iso_weekday')(timestamp)) }}
{%- endmacro %}

{% macro default__iso_weekday(timestamp) -%}
    isodow({{ timestamp }})
{%- endmacro %}

{% macro spark__iso_weekday(timestamp) -%}
    (weekday({{ timestamp }}) + 1)
{%- endmacro %}

{# Whole days from one date to a later one: {{ days_between('first_active_date', 'activity_date') }} #}
{% macro days_between(earlier, later) -%}
    {{ return(adapter.dispatch('days_between')(earlier, later)) }}
{%- endmacro %}

{% macro default__days_between(earlier, later) -%}
    ({{ later }} - {{ earlier }})
{%- endmacro %}

{% macro spark__days_between(earlier, later) -%}
    datediff({{ later }}, {{ earlier }})
{%- endmacro %}

{# Whole seconds since 1970 (UTC): {{ unix_seconds('rated_at') }} #}
{% macro unix_seconds(timestamp) -%}
    {{ return(adapter.dispatch('unix_seconds')(timestamp)) }}
{%- endmacro %}

{% macro default__unix_seconds(timestamp) -%}
    cast(floor(epoch({{ timestamp }})) as bigint)
{%- endmacro %}

{% macro spark__unix_seconds(timestamp) -%}
    unix_timestamp({{ timestamp }})
{%- endmacro %}

{#
    The calendar day of a UTC timestamp in the time zone of the reports (var reporting_time_zone), daylight saving
    included: {{ reporting_date('occurred_at') }}
#}
{% macro reporting_date(timestamp) -%}
    {%- if var('reporting_time_zone') == 'UTC' -%}
    cast({{ timestamp }} as date)
    {%- else -%}
    cast({{ local_time(timestamp, var('reporting_time_zone')) }} as date)
    {%- endif -%}
{%- endmacro %}

{#
    The instant (UTC) at which a calendar day of the reports begins, the other way round: what happened before it lies on
    earlier days, what happened from it on does not. {{ reporting_day_start('as_of_date') }}
#}
{% macro reporting_day_start(date) -%}
    {%- if var('reporting_time_zone') == 'UTC' -%}
    cast({{ date }} as timestamp)
    {%- else -%}
    {{ day_start(date, var('reporting_time_zone')) }}
    {%- endif -%}
{%- endmacro %}

{#
    The instant (UTC) at which a day begins in a time zone. Where clocks skip midnight it begins when they do, where
    midnight comes twice it begins with the first: {{ day_start('as_of_date', 'America/Santiago') }}
#}
{% macro day_start(date, time_zone) -%}
    {{ return(adapter.dispatch('day_start')(date, time_zone)) }}
{%- endmacro %}

{% macro default__day_start(date, time_zone) -%}
    {#- Of two midnights DuckDB takes the later; an hour before it, it is the same day already. -#}
    {%- set midnight = "timezone('UTC', timezone(" ~ quote_text(time_zone) ~ ", cast(" ~ date ~ " as timestamp)))" -%}
    {%- set hour_before = "(" ~ midnight ~ " - interval 1 hour)" -%}
    case
        when cast({{ local_time(hour_before, time_zone) }} as date) = {{ date }} then {{ hour_before }}
        else {{ midnight }}
    end
{%- endmacro %}

{% macro spark__day_start(date, time_zone) -%}
    to_utc_timestamp(cast({{ date }} as timestamp), {{ quote_text(time_zone) }})
{%- endmacro %}

{# A UTC timestamp as the clock shows it in a time zone: {{ local_time('occurred_at', 'Europe/Berlin') }} #}
{% macro local_time(timestamp, time_zone) -%}
    {{ return(adapter.dispatch('local_time')(timestamp, time_zone)) }}
{%- endmacro %}

{% macro default__local_time(timestamp, time_zone) -%}
    timezone({{ quote_text(time_zone) }}, timezone('UTC', {{ timestamp }}))
{%- endmacro %}

{% macro spark__local_time(timestamp, time_zone) -%}
    from_utc_timestamp({{ timestamp }}, {{ quote_text(time_zone) }})
{%- endmacro %}
