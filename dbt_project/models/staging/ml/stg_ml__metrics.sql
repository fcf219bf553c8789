with source as (
    select * from {{ source('ml', 'metrics') }}
),

renamed as (
    select
        run_id,
        task,
        estimator,
        split,
        metric,
        value,
        ci_low,
        ci_high
    from source
)

select * from renamed
