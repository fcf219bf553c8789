-- The viewing log's sessions are made twice, on the way to the episode views and in the canonical stream: a session id
-- must mean the same in both, or reports that use the one would contradict those that use the other.
with views as (
    select
        session_id,
        count(*) as events_count,
        min(started_at) as started_at,
        max(ended_at) as ended_at
    from {{ ref('fct_episode_views') }}
    group by session_id
),

sessions as (
    select * from {{ ref('fct_sessions') }}
    where source = 'viewing'
)

select
    coalesce(views.session_id, sessions.session_id) as session_id,
    views.events_count as views_count,
    sessions.events_count
from views
full join sessions on views.session_id = sessions.session_id
where
    views.events_count is distinct from sessions.events_count
    or views.started_at is distinct from sessions.started_at
    or views.ended_at is distinct from sessions.ended_at
