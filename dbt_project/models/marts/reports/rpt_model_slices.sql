with runs as (
    select * from {{ ref('stg_ml__model_runs') }}
    where is_latest
),

slices as (
    select * from {{ ref('stg_ml__slices') }}
),

-- The higher, the worse. A label rate is neither good nor bad.
joined as (
    select
        slices.*,
        case slices.metric
            when 'roc_auc' then -slices.value
            when 'log_loss' then slices.value
            when 'calibration_in_the_large' then abs(slices.value)
        end as badness
    from slices
    inner join runs on slices.run_id = runs.run_id
),

ranked as (
    select
        *,
        row_number() over (
            partition by run_id, metric
            order by badness desc nulls last, slice asc, slice_value asc
        ) as badness_rank
    from joined
)

select
    run_id,
    task,
    estimator,
    slice,
    slice_value,
    rows_count,
    users_count,
    positive_count,
    metric,
    value,
    ci_low,
    ci_high,
    gap,
    gap_low,
    gap_high,
    case
        when gap_low is null then null
        when gap_low > 0 or gap_high < 0 then 'differs'
        else 'within chance'
    end as gap_verdict,
    badness_rank = 1 and badness is not null as is_worst
from ranked
