with runs as (
    select * from {{ ref('stg_ml__model_runs') }}
    where is_latest
),

audits as (
    select * from {{ ref('stg_ml__audits') }}
)

select
    audits.run_id,
    audits.task,
    runs.source,
    runs.splitter,
    runs.estimator,
    audits.check_name,
    audits.subject,
    audits.verdict,
    audits.verdict <> 'ok' as is_finding,
    audits.detail,
    audits.value,
    audits.ci_low,
    audits.ci_high,
    audits.threshold
from audits
inner join runs on audits.run_id = runs.run_id
