with source as (
    select * from {{ source('ml', 'shap_values') }}
),

renamed as (
    select
        run_id,
        task,
        entity_id,
        feature,
        feature_value,
        shap_value,
        expected_log_odds
    from source
)

select * from renamed
