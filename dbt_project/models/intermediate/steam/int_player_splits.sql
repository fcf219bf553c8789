with players as (
    select
        player_id,
        {{ split_by_user('player_id') | indent(8) }} as split
    from {{ ref('dim_players') }}
)

select
    player_id,
    split,
    -- Sixteen parts of the training players, by a digit of the hash that the split does not look at.
    case when split = 'train' then substr(md5(player_id), 9, 1) end as fold
from players
