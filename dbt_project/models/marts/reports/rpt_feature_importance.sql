with runs as (
    select * from {{ ref('stg_ml__model_runs') }}
    where is_latest
),

importances as (
    select * from {{ ref('stg_ml__feature_importances') }}
)

select
    importances.run_id,
    importances.task,
    importances.feature,
    cast(row_number() over (
        partition by importances.run_id
        order by importances.importance_mean desc, importances.feature asc
    ) as bigint) as importance_rank,
    importances.importance_mean,
    importances.importance_mean - {{ z_score() }} * importances.importance_sd as importance_low,
    importances.importance_mean + {{ z_score() }} * importances.importance_sd as importance_high
from importances
inner join runs
    on importances.run_id = runs.run_id and importances.estimator = runs.estimator
