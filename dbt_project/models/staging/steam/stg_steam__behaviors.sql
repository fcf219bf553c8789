with source as (
    select * from {{ source('steam', 'steam_behaviors') }}
),

renamed as (
    select
        event_id,
        user_id as player_id,
        md5(game_title) as game_id,
        game_title,
        behavior,
        -- The file's one value column means hours for a play and nothing (always 1) for a purchase.
        case when behavior = 'play' then value end as hours
    from source
)

select * from renamed
