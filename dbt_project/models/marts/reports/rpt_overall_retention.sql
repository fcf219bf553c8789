with retention as (
    select * from {{ ref('fct_cohort_retention') }}
    where is_complete
),

-- Each cohort weighs as much as it has members; one whose window is still open has no say, and in "on or after" none
-- that could not be followed up to its end.
summed as (
    select
        definition,
        source,
        cohort_grain,
        period_index,
        count(*) as cohorts_count,
        cast(sum(cohort_size) as bigint) as members_count,
        cast(sum(active_count) as bigint) as active_count,
        cast(coalesce(sum(case when active_on_or_after_count is not null then cohort_size end), 0) as bigint)
            as followed_up_count,
        cast(sum(active_on_or_after_count) as bigint) as active_on_or_after_count,
        cast(sum(same_period_return_count) as bigint) as same_period_return_count
    from retention
    group by definition, source, cohort_grain, period_index
)

select
    definition,
    source,
    cohort_grain,
    period_index,
    cohorts_count,
    members_count,
    active_count,
    active_count / members_count as retention_rate,
    {{ wilson_low('active_count', 'members_count') }} as retention_rate_low,
    {{ wilson_high('active_count', 'members_count') }} as retention_rate_high,
    followed_up_count,
    active_on_or_after_count,
    active_on_or_after_count / nullif(followed_up_count, 0) as on_or_after_rate,
    {{ wilson_low('active_on_or_after_count', 'followed_up_count') }} as on_or_after_rate_low,
    {{ wilson_high('active_on_or_after_count', 'followed_up_count') }} as on_or_after_rate_high,
    same_period_return_count,
    same_period_return_count / members_count as same_period_return_rate
from summed
