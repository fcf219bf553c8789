{%- set first_events = var('conversion_first_events') -%}
with openings as (
    select
        source,
        user_id,
        is_own_session,
        session_id,
        event_number,
        event_id,
        event_name,
        item_id,
        device,
        occurred_at,
        {{ is_conversion('event_name') }} as is_goal
    from {{ ref('fct_events') }}
    where event_number <= {{ first_events }}
)

select
    source,
    user_id,
    is_own_session,
    session_id,
    max(case when event_number = {{ first_events }} then event_id end) as event_id,
    min(occurred_at) as started_at,
    max(case when event_number = {{ first_events - 1 }} then occurred_at end) as previous_event_at,
    max(occurred_at) as reached_at,
    max(case when event_number = 1 then event_name end) as first_event,
    max(case when event_number = {{ first_events - 1 }} then event_name end) as previous_event,
    max(case when event_number = {{ first_events }} then event_name end) as latest_event,
    count(distinct event_name) as event_names_count,
    count(item_id) as item_events_count,
    count(distinct item_id) as items_count,
    max(case when event_number = 1 then device end) as device
from openings
group by source, user_id, is_own_session, session_id
having count(*) = {{ first_events }} and not bool_or(is_goal)
