with first_events as (
    select * from {{ ref('int_user_first_events') }}
),

segments as (
    select
        source,
        user_id,
        max(case when segment_name = 'channel' then segment_value end) as channel,
        max(case when segment_name = 'country' then segment_value end) as country,
        max(case when segment_name = 'plan' then segment_value end) as plan
    from {{ ref('int_user_segments') }}
    where segment_name in ('channel', 'country', 'plan')
    group by source, user_id
)

select
    first_events.source,
    first_events.user_id,
    concat_ws('-', first_events.source, first_events.user_id) as user_key,
    first_events.occurred_at as first_seen_at,
    first_events.event_name as first_event,
    first_events.device,
    segments.channel,
    segments.country,
    segments.plan
from first_events
left join segments on first_events.source = segments.source and first_events.user_id = segments.user_id
