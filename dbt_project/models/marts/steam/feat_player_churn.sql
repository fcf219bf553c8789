with ownership as (
    select * from {{ ref('int_ownership_with_game_statistics') }}
),

engagement as (
    select * from {{ ref('fct_player_engagement') }}
),

splits as (
    select * from {{ ref('int_player_splits') }}
),

first_halves as (
    select
        player_id,
        count(*) as games_owned_count,
        count(*) filter (where is_played) as games_played_count,
        round(sum(hours), 3) as total_hours,
        max(hours) as top_game_hours,
        round(sum(hours * hours), 6) as squares_sum,
        avg(game_play_rate) as mean_game_play_rate,
        avg({{ summable('ln(1 + game_owners_count)') }}) as mean_log_game_owners,
        max(game_owners_count) as top_game_owners_count,
        avg(game_mean_log_hours) as mean_game_log_hours,
        sum((case when is_played then 1 else 0 end) - game_play_rate)
        / (sum({{ summable('game_play_rate * (1 - game_play_rate)') }}) + 1) as play_effect,
        coalesce(sum(log_hours - game_mean_log_hours), 0) / (count_if(is_played) + 2) as hours_effect
    from ownership
    where is_in_first_half
    group by player_id
),

second_halves as (
    select
        player_id,
        split,
        round(sum(hours), 3) as total_hours
    from ownership
    where not is_in_first_half
    group by player_id, split
),

-- Of the training players alone.
cutoff as (
    select percentile_cont({{ var('proxy_churn_share') }}) within group (order by total_hours) as churn_hours
    from second_halves
    where split = 'train'
),

labels as (
    select
        second_halves.player_id,
        second_halves.total_hours <= cutoff.churn_hours as is_churned
    from second_halves
    cross join cutoff
)

select
    splits.player_id,
    cast(null as timestamp) as as_of,
    cast(null as timestamp) as label_known_at,
    labels.is_churned as label,
    engagement.is_proxy_churned as proxy_label,
    splits.split,
    coalesce(first_halves.games_owned_count, 0) as games_owned_count,
    coalesce(first_halves.games_played_count, 0) as games_played_count,
    coalesce(first_halves.games_owned_count - first_halves.games_played_count, 0) as games_never_played_count,
    (first_halves.games_owned_count - first_halves.games_played_count) / first_halves.games_owned_count
        as games_never_played_share,
    coalesce(first_halves.total_hours, 0) as total_hours,
    coalesce(first_halves.top_game_hours, 0) as top_game_hours,
    first_halves.total_hours / nullif(first_halves.games_played_count, 0) as hours_per_played_game,
    {{ settled('first_halves.squares_sum / nullif(pow(first_halves.total_hours, 2), 0)') }} as hours_concentration,
    first_halves.mean_game_play_rate,
    first_halves.mean_log_game_owners,
    first_halves.top_game_owners_count,
    first_halves.mean_game_log_hours,
    coalesce(first_halves.play_effect, 0) as play_effect,
    coalesce(first_halves.hours_effect, 0) as hours_effect,
    engagement.total_hours as library_total_hours,
    engagement.games_played_count as library_games_played_count,
    engagement.games_owned_count as library_games_owned_count,
    engagement.games_purchased_not_played_count as library_games_never_played_count,
    engagement.top_game_hours as library_top_game_hours,
    engagement.hours_per_played_game as library_hours_per_played_game
from splits
inner join engagement on splits.player_id = engagement.player_id
left join first_halves on splits.player_id = first_halves.player_id
left join labels on splits.player_id = labels.player_id
