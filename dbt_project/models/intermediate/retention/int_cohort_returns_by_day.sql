with definitions as (
    select * from {{ ref('stg_definitions__retention') }}
    where is_told_by_days
),

user_days as (
    select * from {{ ref('fct_user_days') }}
),

lifetimes as (
    select * from {{ ref('int_user_lifetimes') }}
),

-- A user counts once a period: on its first active day.
later_periods as (
    {%- for grain in ['day', 'week', 'month'] %}
        select
            definitions.definition,
            user_days.source,
            definitions.cohort_grain,
            {{ period_start(grain, 'user_days.first_active_date') }} as cohort_date,
            user_days.user_id,
            {{ period_number(grain, 'user_days.activity_date') }}
            - {{ period_number(grain, 'user_days.first_active_date') }} as period_index,
            {{ period_number(grain, 'user_days.previous_active_date') }}
            - {{ period_number(grain, 'user_days.first_active_date') }} as previous_period_index
        from user_days
        inner join definitions on definitions.cohort_grain = '{{ grain }}'
        where
            user_days.previous_active_date < {{ period_start(grain, 'user_days.activity_date') }}
        {% if not loop.last %}union all{% endif %}
    {%- endfor %}
),

-- In the period of the entry the second event is the return.
same_period as (
    {%- for grain in ['day', 'week', 'month'] %}
        select
            definitions.definition,
            lifetimes.source,
            definitions.cohort_grain,
            {{ period_start(grain, 'lifetimes.first_active_date') }} as cohort_date,
            lifetimes.user_id,
            cast(0 as bigint) as period_index,
            cast(null as bigint) as previous_period_index
        from lifetimes
        inner join definitions on definitions.cohort_grain = '{{ grain }}'
        where lifetimes.first_{{ grain }}_events_count > 1
        {% if not loop.last %}union all{% endif %}
    {%- endfor %}
)

select * from later_periods
union all
select * from same_period
