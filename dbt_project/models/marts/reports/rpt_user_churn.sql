with churn as (
    select * from {{ ref('fct_user_churn') }}
),

counted as (
    select
        source,
        as_of_date,
        count(*) as users_count,
        count(is_churned) as at_risk_count,
        count(*) filter (where is_churned) as churned_count
    from churn
    group by source, as_of_date
)

select
    source,
    as_of_date,
    users_count,
    case when at_risk_count > 0 then at_risk_count end as at_risk_count,
    case when at_risk_count > 0 then churned_count end as churned_count,
    churned_count / nullif(at_risk_count, 0) as churn_rate,
    {{ wilson_low('churned_count', 'at_risk_count') }} as churn_rate_low,
    {{ wilson_high('churned_count', 'at_risk_count') }} as churn_rate_high,
    at_risk_count > 0 as is_complete,
    {{ days_between('as_of_date', 'max(as_of_date) over (partition by source)') }}
    < {{ var('recent_days') }} as is_recent
from counted
