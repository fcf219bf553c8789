with source as (
    select * from {{ source('events', 'events') }}
),

renamed as (
    select
        event_id,
        user_id,
        session_id,
        item_id,
        _batch_id as batch_id,
        source,
        event_name,
        {{ json_text('properties', 'device') }} as device,
        properties,
        _row_number as file_row_number,
        occurred_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
