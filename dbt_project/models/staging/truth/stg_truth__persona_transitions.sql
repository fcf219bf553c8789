with source as (
    select * from {{ source('truth', 'persona_transitions') }}
),

renamed as (
    select
        source,
        persona,
        from_event,
        to_event,
        probability
    from source
)

select * from renamed
