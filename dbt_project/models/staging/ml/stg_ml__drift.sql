with source as (
    select * from {{ source('ml', 'drift') }}
),

renamed as (
    select
        run_id,
        task,
        comparison,
        feature,
        reference_rows_count,
        current_rows_count,
        psi,
        jensen_shannon
    from source
)

select * from renamed
