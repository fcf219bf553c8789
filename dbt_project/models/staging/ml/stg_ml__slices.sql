with source as (
    select * from {{ source('ml', 'slices') }}
),

renamed as (
    select
        run_id,
        task,
        estimator,
        slice,
        slice_value,
        rows_count,
        users_count,
        positive_count,
        metric,
        value,
        ci_low,
        ci_high,
        gap,
        gap_low,
        gap_high
    from source
)

select * from renamed
