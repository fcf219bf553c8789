with source as (
    select * from {{ source('viewing', 'viewing_events') }}
),

renamed as (
    select
        event_id,
        user_id,
        anime_id,
        device,
        _batch_id as batch_id,
        episode_number,
        _row_number as file_row_number,
        watch_seconds,
        episode_seconds,
        completion,
        started_at,
        {{ add_seconds('started_at', 'watch_seconds') }} as ended_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
