with source as (
    select * from {{ source('truth', 'retention') }}
),

renamed as (
    select
        source,
        days_since_first,
        probability
    from source
)

select * from renamed
