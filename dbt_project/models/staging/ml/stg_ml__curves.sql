with source as (
    select * from {{ source('ml', 'curves') }}
),

renamed as (
    select
        run_id,
        task,
        estimator,
        curve,
        point as point_number,
        threshold,
        x,
        y
    from source
)

select * from renamed
