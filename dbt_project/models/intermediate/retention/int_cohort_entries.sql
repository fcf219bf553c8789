with events as (
    select
        source,
        user_id,
        event_id,
        occurred_at,
        {{ reporting_date('occurred_at') }} as event_date
    from {{ ref('fct_events') }}
    {%- if var('retention_entry_event') %}
    where event_name = '{{ var('retention_entry_event') }}'
    {%- endif %}
),

by_grain as (
    {%- for grain in ['day', 'week', 'month'] %}
        select
            *,
            '{{ grain }}' as cohort_grain,
            {{ period_start(grain, 'event_date') }} as cohort_date
        from events
        {% if not loop.last %}union all{% endif %}
    {%- endfor %}
),

-- First-time: a user's first entry event puts them into one cohort; recurring: into that of every period with one.
entries as (
    select *
    from by_grain
    qualify row_number() over (
        partition by source, user_id, cohort_grain{{ ', cohort_date' if var('retention_cohort_mode') == 'recurring' }}
        order by occurred_at asc, event_id asc
    ) = 1
)

select
    source,
    cohort_grain,
    cohort_date,
    user_id,
    event_id,
    occurred_at as entered_at
from entries
