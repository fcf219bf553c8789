with loads as (
    select * from {{ ref('stg_ingest__loads') }}
    where is_current
),

views as (
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
    union all
    select * from {{ ref('stg_events__in_place') }}
),

unioned as (
    select
        'viewing' as source,
        cast(user_id as string) as user_id,
        cast(null as string) as own_session_id,
        cast(event_id as string) as event_id,
        'episode_view' as event_name,
        anime_id as item_id,
        started_at as occurred_at,
        ended_at,
        device,
        cast(null as string) as properties,
        batch_id,
        0 as file_number,
        file_row_number,
        loaded_at
    from views
    union all
    select
        'movielens' as source,
        cast(user_id as string) as user_id,
        cast(null as string) as own_session_id,
        rating_id as event_id,
        'rating' as event_name,
        cast(movie_id as string) as item_id,
        rated_at as occurred_at,
        cast(null as timestamp) as ended_at,
        cast(null as string) as device,
        cast(null as string) as properties,
        batch_id,
        0 as file_number,
        file_row_number,
        loaded_at
    from ratings
    union all
    select
        'movielens' as source,
        cast(user_id as string) as user_id,
        cast(null as string) as own_session_id,
        tag_id as event_id,
        'tag' as event_name,
        cast(movie_id as string) as item_id,
        tagged_at as occurred_at,
        cast(null as timestamp) as ended_at,
        cast(null as string) as device,
        cast(null as string) as properties,
        batch_id,
        1 as file_number,
        file_row_number,
        loaded_at
    from tags
    union all
    select
        source,
        user_id,
        session_id as own_session_id,
        event_id,
        event_name,
        item_id,
        occurred_at,
        cast(null as timestamp) as ended_at,
        device,
        properties,
        batch_id,
        0 as file_number,
        file_row_number,
        loaded_at
    from logged
),

-- The order of delivery as one number: load, file of the load, row of the file.
numbered as (
    select
        unioned.*,
        loads.load_number,
        loads.revision,
        cast(
            loads.load_number * {{ 2 ** 38 }} + unioned.file_number * {{ 2 ** 36 }} + unioned.file_row_number as bigint
        ) as delivery_number
    from unioned
    inner join loads on unioned.batch_id = loads.batch_id
)

select * from numbered
