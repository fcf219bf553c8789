-- Days joined with the days before them.
with days as (
    select
        user_id,
        cast(occurred_at as date) as activity_date,
        cast(count(*) as bigint) as events_count,
        max(load_number) as load_number
    from marts.fct_events
    group by all
),

with_previous as (
    select *, lag(activity_date) over (partition by user_id order by activity_date) as previous_active_date from days
),

first_days as (
    select user_id, min(activity_date) as first_active_date from days group by user_id
)

select
    'shop' as source,
    user_id,
    days.activity_date,
    first_active_date,
    cast(days.activity_date - first_active_date as integer) as day_number,
    days.events_count,
    cast(sum(1::bigint << (days.activity_date - earlier.activity_date)) as bigint) as history_28,
    cast(count(*) as integer) as active_days_28_count,
    days.previous_active_date,
    days.load_number
from with_previous as days
inner join days as earlier using (user_id)
inner join first_days using (user_id)
where days.activity_date - earlier.activity_date between 0 and 27
group by user_id, days.activity_date, first_active_date, days.events_count, days.previous_active_date, days.load_number
