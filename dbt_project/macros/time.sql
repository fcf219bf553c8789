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
