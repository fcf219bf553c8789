{%- set window = var('lifecycle_window_days') -%}
with user_days as (
    select * from {{ ref('fct_user_days') }}
),

log_spans as (
    select * from {{ ref('int_log_spans') }}
),

-- All that follows is made of these counts: who was active on a day, by the days since they were active before (null:
-- never); a gap longer than every window is as good as any other.
by_gap as (
    select
        source,
        activity_date,
        case
            when previous_active_date is not null
                then least({{ days_between('previous_active_date', 'activity_date') }}, {{ [window, 28] | max + 1 }})
        end as gap_days,
        count(*) as users_count
    from user_days
    group by 1, 2, 3
),

active as (
    select
        source,
        activity_date,
        cast(sum(users_count) as bigint) as active_count,
        cast(sum(case when gap_days is null then users_count else 0 end) as bigint) as new_count,
        cast(sum(case when gap_days <= {{ window }} then users_count else 0 end) as bigint) as retained_count
    from by_gap
    group by 1, 2
),

-- What being active changes, in seven steps. Rows, not branches of a union: Spark would count the user-days anew for
-- each branch.
stepped as (
    select
        *,
        {{ explode_list(number_list(0, 6)) }} as step
    from by_gap
),

-- Being active counts for the days until one is active again, or until the window is over: +1 on the day itself (step
-- 0), -1 on the day after the last (1 and 2). Who was active within the window before counts already, and on from the
-- day on which that would have been over (3 and 4). Users of a trailing window are the running sum.
-- Dormant from the day on which the window since the last activity is over (5), unless active until then (6).
changes as (
    select
        source,
        case step
            when 0 then activity_date
            when 1 then activity_date + 7
            when 2 then activity_date + 28
            when 3 then {{ date_plus('activity_date', '7 - gap_days') }}
            when 4 then {{ date_plus('activity_date', '28 - gap_days') }}
            when 5 then activity_date + {{ window }}
            else {{ date_plus('activity_date', window ~ ' - gap_days') }}
        end as change_date,
        case
            when step = 0 and not coalesce(gap_days < 7, false) then users_count
            when step = 1 then -users_count
            when step = 3 then users_count
            else 0
        end as in_7_days_change,
        case
            when step = 0 and not coalesce(gap_days < 28, false) then users_count
            when step = 2 then -users_count
            when step = 4 then users_count
            else 0
        end as in_28_days_change,
        case
            when step = 5 then users_count
            when step = 6 then -users_count
            else 0
        end as dormant_count
    from stepped
    where
        step in (0, 1, 2, 5)
        or (step = 3 and gap_days < 7)
        or (step = 4 and gap_days < 28)
        or (step = 6 and gap_days <= {{ window }})
),

changes_by_day as (
    select
        source,
        change_date,
        cast(sum(in_7_days_change) as bigint) as in_7_days_change,
        cast(sum(in_28_days_change) as bigint) as in_28_days_change,
        cast(sum(dormant_count) as bigint) as dormant_count
    from changes
    group by 1, 2
),

calendar as (
    select
        source,
        first_open_date,
        first_active_date,
        {{ explode_list(number_list('0', days_between('first_active_date', 'last_active_date'))) }} as day_index
    from log_spans
),

days as (
    select
        source,
        first_open_date,
        day_index,
        {{ date_plus('first_active_date', 'day_index') }} as activity_date
    from calendar
),

filled as (
    select
        days.source,
        days.activity_date,
        days.day_index,
        days.first_open_date,
        coalesce(active.active_count, 0) as active_count,
        coalesce(active.new_count, 0) as new_count,
        coalesce(active.retained_count, 0) as retained_count,
        coalesce(changes_by_day.dormant_count, 0) as dormant_count,
        coalesce(changes_by_day.in_7_days_change, 0) as in_7_days_change,
        coalesce(changes_by_day.in_28_days_change, 0) as in_28_days_change
    from days
    left join active on days.source = active.source and days.activity_date = active.activity_date
    left join changes_by_day on days.source = changes_by_day.source and days.activity_date = changes_by_day.change_date
)

select
    source,
    activity_date,
    new_count,
    retained_count,
    active_count - new_count - retained_count as resurrected_count,
    dormant_count,
    active_count as dau,
    cast(sum(in_7_days_change) over days_so_far as bigint) as wau,
    cast(sum(in_28_days_change) over days_so_far as bigint) as mau,
    cast(sum(new_count) over days_so_far as bigint) as users_count,
    activity_date < first_open_date as is_complete,
    day_index >= 6 and activity_date < first_open_date as is_wau_complete,
    day_index >= 27 and activity_date < first_open_date as is_mau_complete
from filled
window days_so_far as (
    partition by source
    order by activity_date asc
    rows between unbounded preceding and current row
)
