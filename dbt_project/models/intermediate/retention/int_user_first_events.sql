{{ config(materialized='table') }}

-- A user's first event opens a session: the first of those made here, or one of the log's own.
with opening_events as (
    select * from {{ ref('fct_events') }}
    where event_number = 1 and (session_number = 1 or is_own_session)
)

select
    source,
    user_id,
    event_id,
    event_name,
    item_id,
    device,
    properties,
    occurred_at,
    delivery_number
from opening_events
qualify row_number() over (
    partition by source, user_id
    order by occurred_at asc, delivery_number asc
) = 1
