with views as (
    select * from {{ ref('stg_viewing__views') }}
),

-- Idle time runs from the end of what was watched to the next start, so a long episode is no pause. The end
-- is the latest one so far: two views can overlap.
with_previous as (
    select
        *,
        max(ended_at) over (
            partition by user_id
            order by started_at asc, event_id asc
            rows between unbounded preceding and 1 preceding
        ) as previous_ended_at
    from views
),

flagged as (
    select
        *,
        previous_ended_at is null
        or started_at > {{ add_seconds('previous_ended_at', var('session_gap_seconds')) }} as is_session_start
    from with_previous
),

numbered as (
    select
        *,
        count_if(is_session_start) over (
            partition by user_id
            order by started_at asc, event_id asc
            rows between unbounded preceding and current row
        ) as session_number
    from flagged
)

select
    *,
    concat_ws('-', user_id, session_number) as session_id
from numbered
