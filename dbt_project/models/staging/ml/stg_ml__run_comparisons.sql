with source as (
    select * from {{ source('ml', 'run_comparisons') }}
),

renamed as (
    select
        run_id,
        task,
        other_run_id,
        metric,
        difference,
        ci_low,
        ci_high,
        rows_count
    from source
)

select * from renamed
