-- Hours in are hours out, at every level: a pair or a player lost on the way would show here.
with landed as (
    select coalesce(sum(value), 0) as hours from {{ source('steam', 'steam_behaviors') }}
    where behavior = 'play'
),

by_player as (
    select coalesce(sum(total_hours), 0) as hours from {{ ref('fct_player_engagement') }}
),

by_game as (
    select coalesce(sum(total_hours), 0) as hours from {{ ref('dim_games') }}
)

select
    landed.hours as landed_hours,
    by_player.hours as player_hours,
    by_game.hours as game_hours
from landed
cross join by_player
cross join by_game
-- Floats, rounded to thousandths a pair.
where
    abs(landed.hours - by_player.hours) > 1e-6 * landed.hours + 0.001
    or abs(landed.hours - by_game.hours) > 1e-6 * landed.hours + 0.001
