with retention as (
    select * from {{ ref('fct_cohort_retention') }}
)

select
    definition,
    source,
    cohort_grain,
    cohort_date,
    period_index,
    cohort_size,
    active_count,
    active_count / cohort_size as retention_rate,
    {{ wilson_low('active_count', 'cohort_size') }} as retention_rate_low,
    {{ wilson_high('active_count', 'cohort_size') }} as retention_rate_high,
    active_on_or_after_count,
    active_on_or_after_count / cohort_size as on_or_after_rate,
    {{ wilson_low('active_on_or_after_count', 'cohort_size') }} as on_or_after_rate_low,
    {{ wilson_high('active_on_or_after_count', 'cohort_size') }} as on_or_after_rate_high,
    same_period_return_count,
    same_period_return_count / cohort_size as same_period_return_rate,
    is_complete,
    periods_cut_count
from retention
