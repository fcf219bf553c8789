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

{# A UTC timestamp as the clock shows it in a time zone: {{ local_time('occurred_at', 'Europe/Berlin') }} #}
{% macro local_time(timestamp, time_zone) -%}
    {{ return(adapter.dispatch('local_time')(timestamp, time_zone)) }}
{%- endmacro %}

{% macro default__local_time(timestamp, time_zone) -%}
    timezone('{{ time_zone }}', timezone('UTC', {{ timestamp }}))
{%- endmacro %}

{% macro spark__local_time(timestamp, time_zone) -%}
    from_utc_timestamp({{ timestamp }}, '{{ time_zone }}')
{%- endmacro %}
