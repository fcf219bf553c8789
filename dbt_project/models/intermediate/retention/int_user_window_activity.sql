{%- set grid = var('as_of_grid_days') -%}
with events as (
    select * from {{ ref('fct_events') }}
    where item_id is not null
),

sessions as (
    select * from {{ ref('fct_sessions') }}
),

-- An item once a day, before it is spread over the windows that the day lies in.
items as (
    select distinct
        source,
        user_id,
        item_id,
        {{ reporting_date('occurred_at') }} as activity_date
    from events
),

session_days as (
    select
        source,
        user_id,
        {{ reporting_date('started_at') }} as activity_date,
        count(*) as sessions_count
    from sessions
    group by 1, 2, 3
),

days as (
    select
        source,
        user_id,
        activity_date,
        item_id,
        0 as sessions_count
    from items
    union all
    select
        source,
        user_id,
        activity_date,
        null as item_id,
        sessions_count
    from session_days
),

with_distance as (
    select
        *,
        {{ grid }} - {{ days_between("date '1900-01-01'", 'activity_date') }} % {{ grid }} as days_to_as_of
    from days
),

spread as (
    {%- for steps in range((27 // grid) + 1) %}
        select
            source,
            user_id,
            {{ date_plus('activity_date', 'days_to_as_of + ' ~ steps * grid) }} as as_of_date,
            item_id,
            sessions_count
        from with_distance
        {%- if steps * grid + grid > 28 %}
            where days_to_as_of + {{ steps * grid }} <= 28
        {%- endif %}
        {% if not loop.last %}union all{% endif %}
    {%- endfor %}
),

-- Two steps: a distinct count inside a group is many times slower.
by_item as (
    select
        source,
        user_id,
        as_of_date,
        item_id,
        cast(sum(sessions_count) as bigint) as sessions_count
    from spread
    group by 1, 2, 3, 4
)

select
    source,
    user_id,
    as_of_date,
    count(item_id) as items_28_count,
    cast(sum(sessions_count) as bigint) as sessions_28_count
from by_item
group by 1, 2, 3
