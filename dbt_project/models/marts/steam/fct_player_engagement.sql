with ownership as (
    select * from {{ ref('fct_game_ownership') }}
),

-- Buyers who never played stay in, at zero hours: they are the ones who left first.
players as (
    select
        player_id,
        round(sum(hours), 3) as total_hours,
        count(*) filter (where is_played) as games_played_count,
        count(*) filter (where is_purchased) as games_owned_count,
        count(*) filter (where is_purchased_not_played) as games_purchased_not_played_count,
        max(hours) as top_game_hours
    from ownership
    group by player_id
),

cutoffs as (
    select
        percentile_cont(0.2) within group (order by total_hours) as first_fifth,
        percentile_cont(0.4) within group (order by total_hours) as second_fifth,
        percentile_cont(0.6) within group (order by total_hours) as third_fifth,
        percentile_cont(0.8) within group (order by total_hours) as fourth_fifth,
        percentile_cont({{ var('proxy_churn_share') }}) within group (order by total_hours) as proxy_churn_cutoff
    from players
)

select
    players.player_id,
    players.total_hours,
    players.games_played_count,
    players.games_owned_count,
    players.games_purchased_not_played_count,
    players.top_game_hours,
    players.total_hours / nullif(players.games_played_count, 0) as hours_per_played_game,
    -- Cut by value, not by rank, so that two players with the same hours are always in the same tier.
    case
        when players.total_hours <= cutoffs.first_fifth then 1
        when players.total_hours <= cutoffs.second_fifth then 2
        when players.total_hours <= cutoffs.third_fifth then 3
        when players.total_hours <= cutoffs.fourth_fifth then 4
        else 5
    end as engagement_tier,
    players.total_hours <= cutoffs.proxy_churn_cutoff as is_proxy_churned
from players
cross join cutoffs
