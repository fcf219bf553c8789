{{ config(materialized='view') }}

with sessions as (
    select * from {{ ref('int_sessions_aggregated') }}
),

-- Where no session of the source ever reached a goal, the source has none to reach. Named again: the engine keeps all
-- of a step that is read twice.
sources_with_goals as (
    select distinct source from {{ ref('int_sessions_aggregated') }}
    where has_reached_goal
)

select
    sessions.source,
    sessions.user_id,
    sessions.session_id,
    sessions.is_own_session,
    sessions.started_at,
    sessions.ended_at,
    {{ seconds_between('sessions.started_at', 'sessions.ended_at') }} as duration_seconds,
    sessions.events_count,
    sessions.entry_event,
    sessions.exit_event,
    sessions.path,
    case when sources_with_goals.source is not null then sessions.has_reached_goal end as has_converted
from sessions
left join sources_with_goals on sessions.source = sources_with_goals.source
