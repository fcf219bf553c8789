with behaviors as (
    select * from {{ ref('stg_steam__behaviors') }}
),

pairs as (
    select
        player_id,
        game_id,
        bool_or(behavior = 'purchase') as is_purchased,
        bool_or(behavior = 'play') as is_played,
        count(*) filter (where behavior = 'play') as play_rows_count,
        -- A player can have two play rows for one game: the hours add up. Rounded, so that equal sums compare
        -- equal whatever the order of addition was.
        round(coalesce(sum(hours), 0), 3) as hours
    from behaviors
    group by player_id, game_id
)

select
    *,
    is_purchased and not is_played as is_purchased_not_played
from pairs
