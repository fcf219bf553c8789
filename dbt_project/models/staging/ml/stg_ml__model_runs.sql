with source as (
    select * from {{ source('ml', 'model_runs') }}
),

renamed as (
    select
        run_id,
        task,
        model_version,
        estimator,
        feature_model,
        model_file,
        seed,
        train_rows_count,
        validation_rows_count,
        test_rows_count,
        train_seconds,
        train_from,
        train_to,
        test_from,
        test_to,
        trained_at,
        row_number() over (partition by task order by trained_at desc, run_id asc) = 1 as is_latest
    from source
)

select * from renamed
