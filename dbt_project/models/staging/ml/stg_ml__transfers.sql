with source as (
    select * from {{ source('ml', 'transfers') }}
),

renamed as (
    select
        run_id,
        task,
        trained_on,
        tested_on,
        metric,
        value,
        ci_low,
        ci_high,
        rows_count
    from source
)

select * from renamed
