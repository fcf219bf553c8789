-- Events in are events out, for each source: a load that an incremental run overlooks, a duplicate that stays, or a
-- replaced load that is not forgotten would show here.
with landed as (
    select
        source,
        count(distinct event_id) as events_count
    from {{ ref('int_events_unioned') }}
    group by source
),

streamed as (
    select
        source,
        count(*) as events_count
    from {{ ref('fct_events') }}
    group by source
)

select
    coalesce(landed.source, streamed.source) as source,
    landed.events_count as landed_count,
    streamed.events_count as streamed_count
from landed
full join streamed on landed.source = streamed.source
where landed.events_count is distinct from streamed.events_count
