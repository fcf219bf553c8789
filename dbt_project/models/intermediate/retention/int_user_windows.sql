{#- A table, for three marts read it: over 640,000 events 2.8 s for all of them, 4.6 s where each makes it anew. -#}
{{ config(materialized='table') }}

{%- set grid = var('as_of_grid_days') %}
with user_days as (
    select
        *,
        -- Days until the next as-of date: activity on such a date itself belongs to the window after it.
        {{ grid }} - {{ days_between("date '1900-01-01'", 'activity_date') }} % {{ grid }} as days_to_as_of,
        lead(activity_date) over (partition by source, user_id order by activity_date asc) as next_active_date,
        row_number() over (partition by source, user_id order by activity_date asc) as active_day_number,
        max({{ days_between('previous_active_date', 'activity_date') }}) over (
            partition by source, user_id
            order by activity_date asc
            rows between unbounded preceding and current row
        ) as longest_gap_days
    from {{ ref('fct_user_days') }}
),

-- A day lies in the 28 days before each of the next as-of dates. Rows, not branches of a union: Spark would sort the
-- days anew for each branch.
stepped as (
    select
        *,
        {{ explode_list(number_list(0, 27 // grid)) }} as step
    from user_days
),

-- Bit 0 is the day before the date.
windows as (
    select
        source,
        user_id,
        {{ date_plus('activity_date', 'days_to_as_of + step * ' ~ grid) }} as as_of_date,
        activity_date,
        first_active_date,
        next_active_date,
        active_day_number,
        longest_gap_days,
        events_count,
        {{ shift_left('1', 'days_to_as_of + step * ' ~ grid ~ ' - 1') }} as history_28
    from stepped
    where days_to_as_of + step * {{ grid }} <= 28
)

select
    source,
    user_id,
    as_of_date,
    min(first_active_date) as first_active_date,
    max(activity_date) as last_active_date,
    -- That after the last day in the window: days in it that are followed by another one there don't count.
    max(case when next_active_date >= as_of_date then next_active_date end) as next_active_date,
    -- Both only grow: what they are on the last day in the window, they are at the date.
    cast(max(active_day_number) as bigint) as active_days_count,
    cast(max(longest_gap_days) as integer) as longest_gap_days,
    cast(bit_or(history_28) as bigint) as history_28,
    cast(sum(events_count) as bigint) as events_28_count,
    cast(coalesce(sum(events_count) filter (where history_28 < 128), 0) as bigint) as events_7_count
from windows
group by source, user_id, as_of_date
