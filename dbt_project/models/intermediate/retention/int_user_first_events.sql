{{ config(materialized='table') }}

with events as (
    select * from {{ ref('fct_events') }}
),

first_times as (
    select
        source,
        user_id,
        min(occurred_at) as occurred_at
    from events
    group by source, user_id
)

-- Only events at a user's first instant are put in order.
select
    events.source,
    events.user_id,
    events.event_id,
    events.event_name,
    events.item_id,
    events.device,
    events.properties,
    events.occurred_at,
    events.delivery_number
from events
inner join first_times
    on
        events.source = first_times.source
        and events.user_id = first_times.user_id
        and events.occurred_at = first_times.occurred_at
qualify row_number() over (
    partition by events.source, events.user_id
    order by events.delivery_number asc
) = 1
