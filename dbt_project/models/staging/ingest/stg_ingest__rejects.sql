with source as (
    select * from {{ source('ingest', 'rejects') }}
),

in_place as (
    select * from {{ ref('stg_ingest__rejects_in_place') }}
),

renamed as (
    select
        batch_id,
        source,
        column_name,
        file_name,
        reason,
        raw_text,
        row_number as file_row_number
    from source
)

select * from renamed
union all
select * from in_place
