with ownership as (
    select * from {{ ref('fct_game_ownership') }}
),

favourites as (
    select
        player_id,
        game_id as favourite_game_id
    from ownership
    where is_played
    qualify row_number() over (partition by player_id order by hours desc, game_id asc) = 1
),

players as (
    select
        player_id,
        bool_or(is_purchased) as has_purchased,
        bool_or(is_played) as has_played
    from ownership
    group by player_id
)

select
    players.player_id,
    players.has_purchased,
    players.has_played,
    favourites.favourite_game_id
from players
left join favourites on players.player_id = favourites.player_id
