with runs as (
    select * from {{ ref('stg_ml__model_runs') }}
    where is_latest
)

select
    run_id,
    task,
    source,
    splitter,
    label_kind,
    estimator,
    calibration,
    trained_at,
    train_rows_count,
    validation_rows_count,
    test_rows_count,
    train_from,
    train_to,
    test_from,
    test_to,
    train_seconds,
    model_file,
    data_fingerprint,
    code_fingerprint,
    git_commit
from runs
