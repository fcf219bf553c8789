with players as (
    select * from {{ ref('fct_player_engagement') }}
)

select
    engagement_tier,
    case engagement_tier
        when 1 then '1 (least playtime)'
        when 5 then '5 (most playtime)'
        else cast(engagement_tier as string)
    end as tier_label,
    count(*) as players_count,
    min(total_hours) as hours_min,
    percentile_cont(0.5) within group (order by total_hours) as hours_median,
    max(total_hours) as hours_max,
    avg(games_played_count) as games_played_mean,
    avg(games_owned_count) as games_owned_mean,
    count(*) filter (where is_proxy_churned) as proxy_churned_count,
    count(*) filter (where is_proxy_churned) / count(*) as proxy_churn_rate
from players
group by engagement_tier
