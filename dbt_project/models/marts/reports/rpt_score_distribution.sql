with runs as (
    select * from {{ ref('stg_ml__model_runs') }}
    where is_latest
),

-- Rows that were trained on say nothing of how scores spread on new ones.
scores as (
    select * from {{ ref('stg_ml__scores') }}
    where split in ('test', 'open', 'scored')
),

binned as (
    select
        scores.run_id,
        scores.task,
        cast(least(floor(scores.probability * 20), 19) as integer) + 1 as bin_order,
        case
            when scores.label is null then 'not yet known'
            when scores.task = 'next_episode' then if(scores.label, 'continued', 'stopped')
            else if(scores.label, 'happened', 'did not happen')
        end as outcome,
        count(*) as rows_count
    from scores
    inner join runs on scores.run_id = runs.run_id
    group by 1, 2, 3, 4
)

select
    run_id,
    task,
    bin_order,
    (bin_order - 1) / 20 as probability_from,
    bin_order / 20 as probability_to,
    outcome,
    rows_count
from binned
