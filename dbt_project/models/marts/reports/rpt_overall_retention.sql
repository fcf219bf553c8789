with retention as (
    select * from {{ ref('fct_cohort_retention') }}
    where is_complete
),

-- Each cohort weighs as much as it has members; one whose window is still open has no say.
summed as (
    select
        source,
        cohort_grain,
        period_index,
        count(*) as cohorts_count,
        cast(sum(cohort_size) as bigint) as members_count,
        cast(sum(active_count) as bigint) as active_count,
        cast(sum(active_on_or_after_count) as bigint) as active_on_or_after_count,
        cast(sum(same_period_return_count) as bigint) as same_period_return_count
    from retention
    group by source, cohort_grain, period_index
)

select
    source,
    cohort_grain,
    period_index,
    cohorts_count,
    members_count,
    active_count,
    active_count / members_count as retention_rate,
    {{ wilson_low('active_count', 'members_count') }} as retention_rate_low,
    {{ wilson_high('active_count', 'members_count') }} as retention_rate_high,
    active_on_or_after_count,
    active_on_or_after_count / members_count as on_or_after_rate,
    {{ wilson_low('active_on_or_after_count', 'members_count') }} as on_or_after_rate_low,
    {{ wilson_high('active_on_or_after_count', 'members_count') }} as on_or_after_rate_high,
    same_period_return_count,
    same_period_return_count / members_count as same_period_return_rate
from summed
