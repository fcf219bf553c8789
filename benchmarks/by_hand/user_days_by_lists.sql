-- Days of a user as a list, each looked up in it.
with days as (
    select
        user_id,
        cast(occurred_at as date) as activity_date,
        cast(count(*) as bigint) as events_count,
        max(load_number) as load_number
    from marts.fct_events
    group by all
),

users as (
    select user_id, list(activity_date) as dates, min(activity_date) as first_active_date
    from days
    group by user_id
)

select
    'shop' as source,
    user_id,
    activity_date,
    first_active_date,
    list_max([earlier for earlier in dates if earlier < activity_date]) as previous_active_date,
    cast(activity_date - first_active_date as integer) as day_number,
    events_count,
    list_sum([
        1::bigint << (activity_date - earlier)
        for earlier in dates
        if activity_date - earlier between 0 and 27
    ]) as history_28,
    cast(bit_count(cast(history_28 as bigint)) as integer) as active_days_28_count,
    load_number
from days
inner join users using (user_id)
