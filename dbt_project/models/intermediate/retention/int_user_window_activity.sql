{%- set grid = var('as_of_grid_days') -%}
with events as (
    select
        source,
        user_id,
        item_id,
        {{ reporting_date('occurred_at') }} as event_date
    from {{ ref('fct_events') }}
    where item_id is not null
),

-- An item once a stretch between two as-of dates, before it is spread over the windows it lies in.
items as (
    select distinct
        source,
        user_id,
        item_id,
        event_date
    from events
),

spread as (
    {%- for steps in range((27 // grid) + 1) %}
        select distinct
            source,
            user_id,
            item_id,
        {{ date_plus('event_date', grid ~ " - " ~ days_between("date '1900-01-01'", 'event_date') ~ ' % ' ~ grid
            ~ ' + ' ~ steps * grid) }} as as_of_date
        from items
        {%- if steps * grid + grid > 28 %}
    where {{ grid }} - {{ days_between("date '1900-01-01'", 'event_date') }} % {{ grid }} + {{ steps * grid }} <= 28
    {%- endif %}
        {% if not loop.last %}union all{% endif %}
    {%- endfor %}
),

distinct_items as (
    select distinct
        source,
        user_id,
        item_id,
        as_of_date
    from spread
)

select
    source,
    user_id,
    as_of_date,
    count(*) as items_28_count
from distinct_items
group by source, user_id, as_of_date
