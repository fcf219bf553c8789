with source as (
    select * from {{ source('truth', 'episode_choices') }}
),

renamed as (
    select
        event_id,
        p_continue,
        continued as has_continued
    from source
)

select * from renamed
