with source as (
    select * from {{ source('ingest', 'load_manifest') }}
),

renamed as (
    select
        batch_id,
        source,
        origin,
        file_name,
        sha256,
        licence,
        rows_read,
        rows_loaded,
        rows_rejected,
        rows_duplicate,
        load_seconds,
        load_number,
        revision,
        is_current,
        loaded_at
    from source
)

select * from renamed
