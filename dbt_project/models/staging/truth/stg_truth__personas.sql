with source as (
    select * from {{ source('truth', 'personas') }}
),

renamed as (
    select
        source,
        user_id,
        persona
    from source
)

select * from renamed
