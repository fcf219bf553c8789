with source as (
    select * from {{ source('truth', 'viewers') }}
),

renamed as (
    select
        user_id,
        leave_hazard_per_day,
        leaves_at
    from source
)

select * from renamed
