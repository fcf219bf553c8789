with source as (
    select * from {{ source('ml', 'trait_effects') }}
),

renamed as (
    select
        run_id,
        task,
        trait,
        method,
        effect,
        ci_low,
        ci_high,
        rows_count,
        users_count,
        planted_effect
    from source
)

select * from renamed
