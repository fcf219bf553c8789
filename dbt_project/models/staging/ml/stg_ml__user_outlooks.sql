with source as (
    select * from {{ source('ml', 'user_outlooks') }}
),

renamed as (
    select
        run_id,
        task,
        source,
        entity_id,
        p_alive,
        expected_active_days,
        as_of
    from source
)

select * from renamed
