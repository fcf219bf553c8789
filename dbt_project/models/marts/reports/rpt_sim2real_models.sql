with runs as (
    select * from {{ ref('stg_ml__model_runs') }}
    where is_latest
),

transfers as (
    select * from {{ ref('stg_ml__transfers') }}
),

figures as (
    select * from transfers
    where right(metric, 10) <> '_minus_own'
)

-- A model carried over, beside the one that the source's own rows give, on the same features and test rows.
select
    figures.run_id,
    figures.task,
    figures.trained_on,
    figures.tested_on,
    figures.trained_on = figures.tested_on as is_own,
    figures.metric,
    figures.value,
    figures.ci_low,
    figures.ci_high,
    differences.value as minus_own,
    differences.ci_low as minus_own_low,
    differences.ci_high as minus_own_high,
    figures.rows_count
from figures
inner join runs on figures.run_id = runs.run_id
left join transfers as differences
    on
        figures.run_id = differences.run_id
        and figures.trained_on = differences.trained_on
        and differences.metric = concat(figures.metric, '_minus_own')
