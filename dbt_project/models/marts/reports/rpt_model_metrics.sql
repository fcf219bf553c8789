with runs as (
    select * from {{ ref('stg_ml__model_runs') }}
    where is_latest
),

metrics as (
    select * from {{ ref('stg_ml__metrics') }}
),

labels as (
    select *
    from (
        values
        (1, 'roc_auc', 'ROC AUC', true),
        (2, 'average_precision', 'Average precision', true),
        (3, 'log_loss', 'Log loss', false),
        (4, 'brier', 'Brier score', false),
        (5, 'rmse', 'RMSE', false),
        (6, 'ece', 'Calibration error', false),
        (7, 'accuracy', 'Accuracy at 0.5', true),
        (8, 'precision', 'Precision at 0.5', true),
        (9, 'recall', 'Recall at 0.5', true),
        (10, 'f1', 'F1 at 0.5', true),
        (11, 'calibration_slope', 'Calibration slope', cast(null as boolean)),
        (12, 'calibration_intercept', 'Calibration intercept', cast(null as boolean))
    ) as label_values (metric_order, metric, metric_label, is_higher_better)  -- noqa: AL05
),

estimators as (
    select *
    from (
        values
        (1, 'baseline'),
        (2, 'logistic'),
        (3, 'boosting'),
        (4, 'forest'),
        (5, 'bg_nbd'),
        (6, 'ceiling'),
        (7, 'oracle')
    ) as estimator_values (estimator_order, estimator)  -- noqa: AL05
),

joined as (
    select
        metrics.run_id,
        metrics.task,
        runs.source,
        runs.splitter,
        metrics.estimator,
        estimators.estimator_order,
        metrics.split,
        metrics.metric,
        labels.metric_label,
        labels.metric_order,
        labels.is_higher_better,
        metrics.value,
        metrics.ci_low,
        metrics.ci_high,
        oracle.value as oracle_value,
        gaps.value as minus_oracle,
        gaps.ci_low as minus_oracle_low,
        gaps.ci_high as minus_oracle_high,
        ceiling_gaps.value as minus_ceiling,
        ceiling_gaps.ci_low as minus_ceiling_low,
        ceiling_gaps.ci_high as minus_ceiling_high
    from metrics
    inner join runs on metrics.run_id = runs.run_id
    inner join labels on metrics.metric = labels.metric
    inner join estimators on metrics.estimator = estimators.estimator
    left join metrics as oracle
        on
            metrics.run_id = oracle.run_id
            and metrics.split = oracle.split
            and metrics.metric = oracle.metric
            and oracle.estimator = 'oracle'
    left join metrics as gaps
        on
            metrics.run_id = gaps.run_id
            and metrics.split = gaps.split
            and metrics.estimator = gaps.estimator
            and gaps.metric = concat_ws('_', metrics.metric, 'minus_oracle')
    left join metrics as ceiling_gaps
        on
            metrics.run_id = ceiling_gaps.run_id
            and metrics.split = ceiling_gaps.split
            and metrics.estimator = ceiling_gaps.estimator
            and ceiling_gaps.metric = concat_ws('_', metrics.metric, 'minus_ceiling')
)

-- Better than the best that the log allows, or than the truth itself, beyond what chance allows: the features know
-- something they could not have known. Calibration error, precision and the like are no measure of that: a constant can
-- win them honestly.
select
    run_id,
    task,
    source,
    splitter,
    estimator,
    estimator_order,
    split,
    metric,
    metric_label,
    metric_order,
    is_higher_better,
    value,
    ci_low,
    ci_high,
    oracle_value,
    minus_oracle,
    minus_oracle_low,
    minus_oracle_high,
    minus_ceiling,
    minus_ceiling_low,
    minus_ceiling_high,
    case
        when minus_oracle is null or metric not in ('roc_auc', 'average_precision', 'log_loss', 'brier', 'rmse')
            then null
        when is_higher_better and greatest(minus_oracle_low, coalesce(minus_ceiling_low, minus_oracle_low)) > 0
            then 'better than possible: a leak'
        when not is_higher_better and least(minus_oracle_high, coalesce(minus_ceiling_high, minus_oracle_high)) < 0
            then 'better than possible: a leak'
        else 'within the possible'
    end as verdict
from joined
