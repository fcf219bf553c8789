with source as (
    select * from {{ source('viewing', 'viewing_viewers') }}
),

renamed as (
    select
        user_id,
        acquisition_channel,
        signed_up_at
    from source
)

select * from renamed
