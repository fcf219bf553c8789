with entries as (
    select * from {{ ref('int_cohort_entries') }}
),

events as (
    select
        source,
        user_id,
        event_id,
        occurred_at,
        {{ reporting_date('occurred_at') }} as event_date
    from {{ ref('fct_events') }}
    {%- if var('retention_return_event') %}
    where event_name = '{{ var('retention_return_event') }}'
    {%- endif %}
),

-- A return is any return event after the entry; the entry event itself is none.
returns as (
    select
        entries.source,
        entries.cohort_grain,
        entries.cohort_date,
        entries.user_id,
        {% if var('retention_period_mode') == 'rolling' -%}
        {{ rolling_period('entries.entered_at', 'events.occurred_at', 'entries.cohort_grain') }} as period_index
        {%- else -%}
            {{ period_number_of('entries.cohort_grain', 'events.event_date') }}
            - {{ period_number_of('entries.cohort_grain', 'entries.cohort_date') }} as period_index
        {%- endif %}
    from entries
    inner join events on entries.source = events.source and entries.user_id = events.user_id
    where
        events.occurred_at > entries.entered_at
        or (events.occurred_at = entries.entered_at and events.event_id > entries.event_id)
)

select distinct
    source,
    cohort_grain,
    cohort_date,
    user_id,
    period_index
from returns
