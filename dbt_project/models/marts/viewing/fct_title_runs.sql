with views as (
    select * from {{ ref('fct_episode_views') }}
),

-- Two steps: a distinct count inside a group is many times slower.
session_episodes as (
    select distinct
        user_id,
        anime_id,
        session_id,
        episode_number
    from views
),

sittings as (
    select
        user_id,
        anime_id,
        session_id,
        count(*) as episodes_count
    from session_episodes
    group by user_id, anime_id, session_id
),

longest_sittings as (
    select
        user_id,
        anime_id,
        max(episodes_count) as binge_length,
        count(*) as sessions_count
    from sittings
    group by user_id, anime_id
),

-- The deepest episode decides how the run ended; of its re-watches, the last one.
runs as (
    select
        user_id,
        anime_id,
        max(episodes_total) as episodes_total,
        max(episode_number) as depth,
        count(*) filter (where not is_rewatch) as episodes_watched_count,
        count(*) as views_count,
        cast(sum(watch_seconds) as bigint) as watch_seconds,
        min(started_at) as started_at,
        min(ended_at) as first_ended_at,
        max(ended_at) as last_ended_at
    from views
    group by user_id, anime_id
),

final_views as (
    select
        user_id,
        anime_id,
        outcome
    from views
    qualify row_number() over (
        partition by user_id, anime_id
        order by episode_number desc, started_at desc, delivery_number desc
    ) = 1
)

select
    runs.user_id,
    runs.anime_id,
    runs.started_at,
    runs.first_ended_at,
    runs.last_ended_at,
    runs.episodes_total,
    runs.depth,
    runs.episodes_watched_count,
    runs.views_count,
    longest_sittings.sessions_count,
    longest_sittings.binge_length,
    runs.watch_seconds,
    case final_views.outcome when 'open' then 'censored' else final_views.outcome end as run_outcome
from runs
inner join longest_sittings
    on runs.user_id = longest_sittings.user_id and runs.anime_id = longest_sittings.anime_id
inner join final_views
    on runs.user_id = final_views.user_id and runs.anime_id = final_views.anime_id
