with runs as (
    select * from {{ ref('stg_ml__model_runs') }}
    where is_latest
),

scores as (
    select * from {{ ref('stg_ml__scores') }}
    where split = 'test'
),

binned as (
    select
        scores.run_id,
        scores.task,
        runs.estimator as estimator_label,
        cast(least(floor(scores.probability * 10), 9) as integer) + 1 as bin_order,
        {{ settled('avg(scores.probability)') }} as mean_probability,
        count(*) filter (where scores.label) as positive_count,
        count(*) as rows_count
    from scores
    inner join runs on scores.run_id = runs.run_id
    group by 1, 2, 3, 4
)

select
    *,
    positive_count / rows_count as observed_rate,
    {{ wilson_low('positive_count', 'rows_count') }} as observed_rate_low,
    {{ wilson_high('positive_count', 'rows_count') }} as observed_rate_high
from binned
