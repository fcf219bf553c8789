with shap_values as (
    select
        *,
        try_cast(feature_value as double) as numeric_value
    from {{ ref('stg_ml__shap_values') }}
),

summary as (
    select * from {{ ref('rpt_shap_summary') }}
)

select
    shap_values.run_id,
    shap_values.task,
    shap_values.entity_id,
    shap_values.feature,
    summary.shap_rank,
    shap_values.feature_value,
    shap_values.numeric_value,
    case
        when shap_values.numeric_value is not null
            then percent_rank() over (
                partition by shap_values.run_id, shap_values.feature, shap_values.numeric_value is null
                order by shap_values.numeric_value asc
            )
    end as value_quantile,
    shap_values.shap_value,
    shap_values.expected_log_odds
from shap_values
inner join summary
    on shap_values.run_id = summary.run_id and shap_values.feature = summary.feature
