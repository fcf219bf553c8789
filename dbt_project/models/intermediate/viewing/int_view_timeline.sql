with views as (
    select * from {{ ref('fct_episode_views') }}
),

-- The end of a view is the moment a prediction is made for it, and the moment its completion is known.
watched as (
    select
        event_id,
        user_id,
        anime_id,
        ended_at as occurred_at,
        1 as is_watched,
        case when title_view_number = 1 then 1 else 0 end as is_run_start,
        completion,
        0 as is_known,
        0 as is_continued
    from views
),

-- When the viewer came back, or when the window closed without them.
known as (
    select
        event_id,
        user_id,
        anime_id,
        outcome_known_at as occurred_at,
        0 as is_watched,
        0 as is_run_start,
        0 as completion,
        1 as is_known,
        case when next_episode_started_at is not null then 1 else 0 end as is_continued
    from views
    where outcome_known_at is not null
)

select * from watched
union all
select * from known
