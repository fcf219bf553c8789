with runs as (
    select * from {{ ref('stg_ml__model_runs') }}
    where is_latest
),

effects as (
    select * from {{ ref('stg_ml__trait_effects') }}
)

select
    effects.run_id,
    effects.task,
    runs.source,
    effects.trait,
    effects.method,
    effects.effect,
    effects.ci_low,
    effects.ci_high,
    effects.rows_count,
    effects.users_count,
    effects.planted_effect,
    effects.planted_effect between effects.ci_low and effects.ci_high as has_planted_effect_in_interval
from effects
inner join runs on effects.run_id = runs.run_id
