with retention as (
    select * from {{ ref('rpt_overall_retention') }}
    where definition = 'any_event' and cohort_grain = 'day'
)

select
    source,
    period_index,
    members_count,
    active_count,
    retention_rate,
    retention_rate_low,
    retention_rate_high,
    followed_up_count,
    on_or_after_rate,
    on_or_after_rate_low,
    on_or_after_rate_high
from retention
where
    period_index between 1 and {{ var('retention_curve_days') }}
    and members_count >= {{ var('minimum_at_risk') }}
