with estimates as (
    select * from {{ ref('rpt_truth_recovery') }}
),

counted as (
    select
        source,
        quantity,
        is_same_quantity,
        cast(count(*) as bigint) as estimates_count,
        cast(count_if(is_covered) as bigint) as covered_count,
        {{ settled('avg(abs(error))') }} as mean_absolute_error
    from estimates
    group by source, quantity, is_same_quantity
)

select
    source,
    quantity,
    case when is_same_quantity then 'the same quantity' else 'another quantity' end as comparison,
    estimates_count,
    covered_count,
    covered_count / estimates_count as covered_share,
    mean_absolute_error
from counted
