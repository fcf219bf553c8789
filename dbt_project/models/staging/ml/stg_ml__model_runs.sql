with source as (
    select * from {{ source('ml', 'model_runs') }}
),

renamed as (
    select
        run_id,
        task,
        source,
        splitter,
        label_kind,
        model_version,
        estimator,
        calibration,
        parameters,
        feature_model,
        feature_names,
        unused_features,
        library_versions,
        model_file,
        data_fingerprint,
        data_batches,
        code_fingerprint,
        git_commit,
        seed,
        train_rows_count,
        validation_rows_count,
        test_rows_count,
        refit_rows_count,
        decision_threshold,
        train_seconds,
        train_from,
        train_to,
        test_from,
        test_to,
        trained_at,
        row_number() over (
            partition by task, source, splitter order by trained_at desc, run_id asc
        ) = 1 as is_latest
    from source
)

select * from renamed
