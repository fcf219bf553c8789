with runs as (
    select * from {{ ref('stg_ml__model_runs') }}
    where is_latest
),

curves as (
    select * from {{ ref('stg_ml__curves') }}
)

select
    curves.run_id,
    curves.task,
    curves.estimator,
    curves.estimator = runs.estimator as is_chosen,
    curves.curve,
    curves.point_number,
    curves.threshold,
    curves.x,
    curves.y
from curves
inner join runs on curves.run_id = runs.run_id
