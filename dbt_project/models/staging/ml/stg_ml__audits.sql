with source as (
    select * from {{ source('ml', 'audits') }}
),

renamed as (
    select
        run_id,
        task,
        check_name,
        subject,
        verdict,
        detail,
        value,
        ci_low,
        ci_high,
        threshold
    from source
)

select * from renamed
