with runs as (
    select * from {{ ref('stg_ml__model_runs') }}
    where is_latest
),

shap_values as (
    select
        run_id,
        task,
        feature,
        shap_value,
        try_cast(feature_value as double) as numeric_value
    from {{ ref('stg_ml__shap_values') }}
),

-- What never varies has no correlation: not a number in one engine, null in the other.
summed as (
    select
        shap_values.run_id,
        shap_values.task,
        shap_values.feature,
        count(*) as rows_count,
        {{ settled('avg(abs(shap_values.shap_value))') }} as mean_absolute_shap,
        {{ settled("nullif(corr(shap_values.numeric_value, shap_values.shap_value), cast('NaN' as double))") }}
            as value_correlation
    from shap_values
    inner join runs on shap_values.run_id = runs.run_id
    group by 1, 2, 3
)

select
    run_id,
    task,
    feature,
    cast(row_number() over (partition by run_id order by mean_absolute_shap desc, feature asc) as bigint)
        as shap_rank,
    rows_count,
    mean_absolute_shap,
    mean_absolute_shap / nullif(sum(mean_absolute_shap) over (partition by run_id), 0) as shap_share,
    value_correlation,
    case
        when value_correlation >= 0.3 then 'more raises it'
        when value_correlation <= -0.3 then 'more lowers it'
        when value_correlation is not null then 'no one direction'
    end as direction
from summed
