with views as (
    select * from {{ ref('int_views_sessionized') }}
),

titles as (
    select * from {{ ref('stg_anime__titles') }}
),

log_end as (
    select max(started_at) as log_ends_at from views
),

-- The next episode may be watched more than once: its first start inside the window is what counts; a log of what was
-- watched tells of it at the first end of a view begun inside the window.
next_starts as (
    select
        views.event_id,
        min(next_views.started_at) as next_episode_started_at,
        min(next_views.ended_at) as next_episode_ended_at
    from views
    inner join views as next_views
        on
            views.user_id = next_views.user_id
            and views.anime_id = next_views.anime_id
            and views.episode_number = next_views.episode_number - 1
            and views.started_at <= next_views.started_at
            and {{ add_days('views.started_at', var('continuation_window_days')) }} >= next_views.started_at
    group by views.event_id
),

joined as (
    select
        views.*,
        titles.episodes_total,
        next_starts.next_episode_started_at,
        next_starts.next_episode_ended_at,
        {{ add_days('views.started_at', var('continuation_window_days')) }} as window_ends_at,
        log_end.log_ends_at,
        coalesce(views.episode_number >= titles.episodes_total, false) as is_last_episode
    from views
    cross join log_end
    left join next_starts on views.event_id = next_starts.event_id
    left join titles on views.anime_id = titles.anime_id
),

-- A view whose window is still open is unknown even when the next episode was seen: to know only the quick
-- ones would count every open window as if it were a success.
decided as (
    select
        *,
        case
            when is_last_episode then 'finished'
            when window_ends_at > log_ends_at then 'open'
            when next_episode_started_at is not null then 'continued'
            else 'stopped'
        end as outcome,
        -- When an observer would have learnt the outcome, wherever the log ends; never before the view is over.
        case
            when not is_last_episode
                then greatest(coalesce(next_episode_started_at, window_ends_at), ended_at)
        end as outcome_known_at
    from joined
)

select * from decided
