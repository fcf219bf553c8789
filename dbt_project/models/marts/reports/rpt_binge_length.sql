with runs as (
    select * from {{ ref('fct_title_runs') }}
),

binned as (
    select
        cast(least(binge_length, 13) as bigint) as binge_length,
        count(*) as runs_count
    from runs
    group by 1
),

totalled as (
    select
        *,
        cast(sum(runs_count) over () as bigint) as runs_total
    from binned
)

select
    binge_length,
    case when binge_length = 13 then '13 or more' else cast(binge_length as string) end as binge_length_label,
    runs_count,
    runs_total,
    runs_count / runs_total as run_share,
    {{ wilson_low('runs_count', 'runs_total') }} as run_share_low,
    {{ wilson_high('runs_count', 'runs_total') }} as run_share_high
from totalled
