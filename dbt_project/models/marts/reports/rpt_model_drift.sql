with runs as (
    select * from {{ ref('stg_ml__model_runs') }}
    where is_latest
),

drift as (
    select * from {{ ref('stg_ml__drift') }}
)

select
    drift.run_id,
    drift.task,
    drift.comparison,
    drift.feature,
    drift.feature = 'score' as is_score,
    cast(row_number() over (
        partition by drift.run_id, drift.comparison
        order by drift.psi desc nulls last, drift.feature asc
    ) as bigint) as drift_rank,
    drift.reference_rows_count,
    drift.current_rows_count,
    drift.psi,
    drift.jensen_shannon,
    case
        when drift.psi is null then 'too few rows'
        when drift.psi >= {{ var('psi_act') }} then 'act'
        when drift.psi >= {{ var('psi_watch') }} then 'watch'
        else 'ok'
    end as level  -- noqa: RF04
from drift
inner join runs on drift.run_id = runs.run_id
