with source as (
    select * from {{ source('ml', 'feature_importance') }}
),

renamed as (
    select
        run_id,
        task,
        estimator,
        feature,
        importance_mean,
        importance_sd
    from source
)

select * from renamed
