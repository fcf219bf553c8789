{{ config(materialized='table') }}

with user_days as (
    select * from {{ ref('fct_user_days') }}
),

events as (
    select * from {{ ref('fct_events') }}
),

days as (
    select
        source,
        min(activity_date) as first_active_date,
        max(activity_date) as last_active_date
    from user_days
    group by source
),

ends as (
    select
        source,
        max(occurred_at) as last_event_at
    from events
    group by source
)

-- The log reaches to its last event, so the day of that event is still running, unless somebody says it is over.
select
    days.source,
    days.first_active_date,
    days.last_active_date,
    days.last_active_date + {{ 1 if var('last_day_is_complete') else 0 }} as first_open_date,
    ends.last_event_at
from days
inner join ends on days.source = ends.source
