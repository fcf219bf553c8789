with behaviors as (
    select * from {{ ref('stg_steam__behaviors') }}
),

ownership as (
    select * from {{ ref('fct_game_ownership') }}
),

titles as (
    select distinct
        game_id,
        game_title
    from behaviors
),

totals as (
    select
        game_id,
        count(*) filter (where is_purchased) as buyers_count,
        count(*) filter (where is_played) as players_count,
        count(*) filter (where is_purchased_not_played) as purchased_not_played_count,
        round(sum(hours), 3) as total_hours
    from ownership
    group by game_id
)

select
    titles.game_id,
    titles.game_title,
    totals.buyers_count,
    totals.players_count,
    totals.purchased_not_played_count,
    totals.total_hours
from titles
inner join totals on titles.game_id = totals.game_id
