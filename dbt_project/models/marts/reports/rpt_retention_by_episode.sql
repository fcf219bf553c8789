with retention as (
    select * from {{ ref('fct_retention_by_episode') }}
    where scope = 'all'
)

select
    episode_number,
    reached_count,
    at_risk_count,
    continued_count,
    stopped_count,
    censored_count,
    continued_count / nullif(at_risk_count, 0) as continuation_rate,
    {{ wilson_low('continued_count', 'at_risk_count') }} as continuation_rate_low,
    {{ wilson_high('continued_count', 'at_risk_count') }} as continuation_rate_high,
    survival,
    {{ survival_low('survival', 'greenwood_sum') }} as survival_low,
    {{ survival_high('survival', 'greenwood_sum') }} as survival_high
from retention
-- Beyond that too few are left to read anything from the curve; the counts stay in fct_retention_by_episode.
where at_risk_count >= {{ var('minimum_at_risk') }}
