with views as (
    select * from {{ ref('fct_episode_views') }}
    where not is_last_episode
),

-- Pending views would say nothing for two weeks; most who go on do so within a day.
timed as (
    select
        event_id,
        delivery_number,
        user_id,
        anime_id,
        ended_at,
        least(episode_number, 4) as episode_band,
        least(cast(floor(completion * 10) as integer), 9) as completion_band,
        next_episode_ended_at,
        greatest(window_ends_at, ended_at) as closed_at,
        least({{ add_days('ended_at', 1) }}, greatest(window_ends_at, ended_at)) as first_reported_at
    from views
)

select
    event_id,
    delivery_number,
    user_id,
    anime_id,
    ended_at,
    episode_band,
    completion_band,
    first_reported_at,
    closed_at,
    coalesce(next_episode_ended_at <= first_reported_at, false) as is_continued_at_first,
    coalesce(next_episode_ended_at <= closed_at, false) as is_continued_at_close
from timed
