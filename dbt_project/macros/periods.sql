{# Days, weeks and months as whole numbers. #}

{#
    Number of the day, ISO week (from Monday) or month that a date lies in, counted from 1900; one more is the next:
    {{ period_number('week', 'activity_date') }}
#}
{% macro period_number(grain, date) -%}
    {%- if grain == 'month' -%}
    cast(year({{ date }}) * 12 + month({{ date }}) as bigint)
    {%- elif grain == 'week' -%}
    {# The first day of 1900 was a Monday. #}
    cast(floor({{ days_between("date '1900-01-01'", date) }} / 7) as bigint)
    {%- else -%}
    cast({{ days_between("date '1900-01-01'", date) }} as bigint)
    {%- endif -%}
{%- endmacro %}

{# The same where the grain is a column: {{ period_number_of('cohort_grain', 'cohort_date') }} #}
{% macro period_number_of(grain, date) -%}
    case {{ grain }}
        when 'day' then {{ period_number('day', date) }}
        when 'week' then {{ period_number('week', date) }}
        else {{ period_number('month', date) }}
    end
{%- endmacro %}

{# First day of the day, ISO week or month that a date lies in: {{ period_start('week', 'activity_date') }} #}
{% macro period_start(grain, date) -%}
    {%- if grain == 'day' -%} {{ date }} {%- else -%} cast(date_trunc('{{ grain }}', {{ date }}) as date) {%- endif -%}
{%- endmacro %}

{# The same where the grain is a column: {{ period_start_of('cohort_grain', 'activity_date') }} #}
{% macro period_start_of(grain, date) -%}
    case {{ grain }}
        when 'day' then {{ date }}
        when 'week' then {{ period_start('week', date) }}
        else {{ period_start('month', date) }}
    end
{%- endmacro %}

{#
    Number of the window of 24 hours (day), 7 (week) or 30 times 24 hours (month) from an entry that a later timestamp
    lies in, from 0: {{ rolling_period('entered_at', 'occurred_at', 'cohort_grain') }}
#}
{% macro rolling_period(entered_at, timestamp, grain) -%}
    cast(floor(
        {{ seconds_between(entered_at, timestamp) }}
        / case {{ grain }} when 'day' then 86400 when 'week' then 604800 else 2592000 end
    ) as bigint)
{%- endmacro %}

{# A date plus a number of days held in a column, or minus: {{ date_plus('as_of_date', '-days_count') }} #}
{% macro date_plus(date, days) -%}
    ({{ date }} + cast({{ days }} as integer))
{%- endmacro %}
