{%- set grid = var('as_of_grid_days') -%}
{%- set steps_in_window = range((27 // grid) + 1) -%}
with events as (
    select
        source,
        user_id,
        item_id,
        event_number,
        {{ reporting_date('occurred_at') }} as activity_date
    from {{ ref('fct_events') }}
),

-- In a window an item counts on its last day there, and so once; the next day on which the user has it tells.
with_next as (
    select
        *,
        lead(activity_date) over (partition by source, user_id, item_id order by activity_date asc) as next_date
    from events
),

with_distance as (
    select
        *,
        {{ grid }} - {{ days_between("date '1900-01-01'", 'activity_date') }} % {{ grid }} as days_to_as_of,
        {{ days_between('activity_date', 'next_date') }} as days_to_next
    from with_next
),

-- Counted by day before it is spread over the windows that the day lies in: there are far fewer days than items.
days as (
    select
        source,
        user_id,
        activity_date,
        days_to_as_of,
        count_if(event_number = 1) as sessions_count,
    {%- for steps in steps_in_window %}
        count_if(
            item_id is not null and coalesce(days_to_as_of + {{ steps * grid }} <= days_to_next, true)
        ) as items_{{ steps }}_count
        {{- ',' if not loop.last }}
    {%- endfor %}
    from with_distance
    group by 1, 2, 3, 4
),

-- Rows, not branches of a union: Spark would sort and count the log anew for each branch.
stepped as (
    select
        *,
        {{ explode_list(number_list(0, steps_in_window | last)) }} as step
    from days
),

spread as (
    select
        source,
        user_id,
        {{ date_plus('activity_date', 'days_to_as_of + step * ' ~ grid) }} as as_of_date,
        case step
            {%- for steps in steps_in_window %}
                when {{ steps }} then items_{{ steps }}_count
            {%- endfor %}
        end as items_count,
        sessions_count
    from stepped
    where days_to_as_of + step * {{ grid }} <= 28
)

select
    source,
    user_id,
    as_of_date,
    cast(sum(items_count) as bigint) as items_28_count,
    cast(sum(sessions_count) as bigint) as sessions_28_count
from spread
group by 1, 2, 3
