with runs as (
    select * from {{ ref('stg_ml__model_runs') }}
),

comparisons as (
    select * from {{ ref('stg_ml__run_comparisons') }}
)

select
    comparisons.run_id,
    comparisons.task,
    runs.source,
    runs.splitter,
    comparisons.other_run_id,
    runs.is_latest,
    comparisons.metric,
    runs.data_fingerprint = others.data_fingerprint as is_same_data,
    runs.code_fingerprint = others.code_fingerprint as is_same_code,
    comparisons.difference,
    comparisons.ci_low,
    comparisons.ci_high,
    comparisons.rows_count,
    case
        when comparisons.ci_low <= 0 and comparisons.ci_high >= 0 then 'no difference'
        when (comparisons.ci_low > 0) = (comparisons.metric in ('roc_auc', 'average_precision', 'accuracy'))
            then 'better'
        when comparisons.ci_low is not null then 'worse'
    end as verdict
from comparisons
inner join runs on comparisons.run_id = runs.run_id
left join runs as others on comparisons.other_run_id = others.run_id
