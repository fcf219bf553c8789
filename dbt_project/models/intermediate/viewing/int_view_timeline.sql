with views as (
    select
        *,
        -- Continued or not, an outcome counts once its window has closed: were continuations counted at once, and stops
        -- two weeks later, the young would all seem to go on.
        case when not is_last_episode then greatest(window_ends_at, ended_at) end as counted_at
    from {{ ref('fct_episode_views') }}
),

-- The end of a view is the moment a prediction is made for it, and the moment the log tells of it.
watched as (
    select
        event_id,
        delivery_number,
        user_id,
        anime_id,
        ended_at as occurred_at,
        true as is_watched,
        row_number() over (
            partition by user_id, anime_id order by ended_at asc, delivery_number asc
        ) = 1 as is_first_of_title,
        completion,
        false as is_known,
        false as is_continued
    from views
),

-- What the views that had ended by then say: the next episode may be on while the window closes.
closed as (
    select
        event_id,
        delivery_number,
        user_id,
        anime_id,
        counted_at as occurred_at,
        false as is_watched,
        false as is_first_of_title,
        cast(null as double) as completion,
        true as is_known,
        coalesce(next_episode_ended_at <= counted_at, false) as is_continued
    from views
    where counted_at is not null
),

-- Then the continuation shows when that is over.
continued_late as (
    select
        event_id,
        delivery_number,
        user_id,
        anime_id,
        next_episode_ended_at as occurred_at,
        false as is_watched,
        false as is_first_of_title,
        cast(null as double) as completion,
        false as is_known,
        true as is_continued
    from views
    where next_episode_ended_at > counted_at
)

select * from watched
union all
select * from closed
union all
select * from continued_late
