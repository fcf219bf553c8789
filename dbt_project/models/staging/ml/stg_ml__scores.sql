with source as (
    select * from {{ source('ml', 'scores') }}
),

renamed as (
    select
        run_id,
        task,
        entity_id,
        split,
        probability,
        label,
        as_of
    from source
)

select * from renamed
