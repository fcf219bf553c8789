-- The history in bits against the days themselves: first day, day number, and each day of the last 28 looked up.
with days as (
    select * from {{ ref('fct_user_days') }}
),

looked_up as (
    select
        days.source,
        days.user_id,
        days.activity_date,
        sum({{ shift_left('1', days_between('earlier.activity_date', 'days.activity_date')) }}) as history_28,
        count(*) as active_days_28_count
    from days
    inner join days as earlier
        on
            days.source = earlier.source
            and days.user_id = earlier.user_id
            and {{ days_between('earlier.activity_date', 'days.activity_date') }} between 0 and 27
    group by days.source, days.user_id, days.activity_date
),

first_days as (
    select
        source,
        user_id,
        min(activity_date) as first_active_date
    from days
    group by source, user_id
)

select days.*
from days
left join looked_up
    on
        days.source = looked_up.source
        and days.user_id = looked_up.user_id
        and days.activity_date = looked_up.activity_date
left join first_days on days.source = first_days.source and days.user_id = first_days.user_id
where
    days.history_28 is distinct from looked_up.history_28
    or days.active_days_28_count is distinct from looked_up.active_days_28_count
    or days.first_active_date is distinct from first_days.first_active_date
    or days.day_number is distinct from {{ days_between('first_days.first_active_date', 'days.activity_date') }}
