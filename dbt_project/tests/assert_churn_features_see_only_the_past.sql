-- Every user at risk has one row, and nothing in it is younger than its as-of date.
select
    churn.source,
    churn.user_id,
    churn.as_of_date,
    features.days_since_last_active
from {{ ref('fct_user_churn') }} as churn
left join {{ ref('feat_user_churn') }} as features
    on
        churn.source = features.source
        and churn.user_id = features.user_id
        and churn.as_of_date = features.as_of_date
where
    features.user_id is null
    or features.days_since_last_active not between 1 and 28
    or features.tenure_days < features.days_since_last_active
    or features.active_days_28_count < features.active_days_7_count
    or features.label is distinct from churn.is_churned
