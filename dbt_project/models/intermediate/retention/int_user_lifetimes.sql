{{ config(materialized='table') }}

with user_days as (
    select * from {{ ref('fct_user_days') }}
)

select
    source,
    user_id,
    min(first_active_date) as first_active_date,
    max(activity_date) as last_active_date,
    count(*) as active_days_count,
    cast(sum(events_count) as bigint) as events_count,
    cast(sum(events_count) filter (where day_number = 0) as bigint) as first_day_events_count,
    cast(sum(events_count) filter (
        where {{ period_number('week', 'activity_date') }} = {{ period_number('week', 'first_active_date') }}
    ) as bigint) as first_week_events_count,
    cast(sum(events_count) filter (
        where {{ period_number('month', 'activity_date') }} = {{ period_number('month', 'first_active_date') }}
    ) as bigint) as first_month_events_count
from user_days
group by source, user_id
