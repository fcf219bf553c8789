with views as (
    select * from {{ ref('int_views_with_outcomes') }}
)

select
    event_id,
    user_id,
    anime_id,
    session_id,
    delivery_number,
    device,
    episode_number,
    episodes_total,
    cast(row_number() over (
        partition by user_id, anime_id order by started_at asc, delivery_number asc
    ) as bigint) as title_view_number,
    row_number() over (
        partition by user_id, anime_id, episode_number order by started_at asc, delivery_number asc
    ) > 1 as is_rewatch,
    is_last_episode,
    started_at,
    ended_at,
    watch_seconds,
    episode_seconds,
    completion,
    {{ seconds_between('previous_ended_at', 'started_at') }} as idle_seconds,
    next_episode_started_at,
    next_episode_ended_at,
    window_ends_at,
    outcome,
    outcome_known_at,
    case outcome when 'continued' then true when 'stopped' then false end as has_continued
from views
