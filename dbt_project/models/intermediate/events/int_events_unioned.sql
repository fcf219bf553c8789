with views as (
    select * from {{ ref('stg_viewing__views') }}
),

ratings as (
    select * from {{ ref('stg_movielens__ratings') }}
),

tags as (
    select * from {{ ref('stg_movielens__tags') }}
),

logged as (
    select * from {{ ref('stg_events__events') }}
),

unioned as (
    select
        'viewing' as source,
        cast(user_id as varchar) as user_id,
        cast(null as varchar) as session_id,
        cast(event_id as varchar) as event_id,
        'episode_view' as event_name,
        anime_id as item_id,
        started_at as occurred_at,
        ended_at,
        device,
        cast(null as varchar) as properties,
        batch_id,
        file_row_number,
        loaded_at
    from views
    union all
    select
        'movielens' as source,
        cast(user_id as varchar) as user_id,
        cast(null as varchar) as session_id,
        rating_id as event_id,
        'rating' as event_name,
        cast(movie_id as varchar) as item_id,
        rated_at as occurred_at,
        cast(null as timestamp) as ended_at,
        cast(null as varchar) as device,
        cast(null as varchar) as properties,
        batch_id,
        file_row_number,
        loaded_at
    from ratings
    union all
    select
        'movielens' as source,
        cast(user_id as varchar) as user_id,
        cast(null as varchar) as session_id,
        tag_id as event_id,
        'tag' as event_name,
        cast(movie_id as varchar) as item_id,
        tagged_at as occurred_at,
        cast(null as timestamp) as ended_at,
        cast(null as varchar) as device,
        cast(null as varchar) as properties,
        batch_id,
        file_row_number,
        loaded_at
    from tags
    union all
    select
        source,
        user_id,
        session_id,
        event_id,
        event_name,
        item_id,
        occurred_at,
        cast(null as timestamp) as ended_at,
        device,
        properties,
        batch_id,
        file_row_number,
        loaded_at
    from logged
)

select * from unioned
