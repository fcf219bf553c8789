with purchases as (
    select * from {{ ref('int_ownership_with_game_statistics') }}
    where is_purchased
),

contributions as (
    select
        *,
        case when is_played then 1 else 0 end as played,
        {{ summable('game_play_rate * (1 - game_play_rate)') }} as variance,
        {{ summable('ln(1 + game_owners_count)') }} as log_owners,
        -- Nothing of its own where it was not played, so that a sum of nothing is no news of the row it is for.
        case when is_played then coalesce(log_hours - game_mean_log_hours, 0) else 0 end as hours_over_typical
    from purchases
),

libraries as (
    select
        *,
        count(*) over library as owned_count,
        sum(played) over library as played_count,
        sum(played - game_play_rate) over library as residual_sum,
        sum(variance) over library as variance_sum,
        sum(hours_over_typical) over library as hours_over_typical_sum,
        avg(game_play_rate) over library as library_mean_play_rate,
        avg(log_owners) over library as library_mean_log_owners
    from contributions
    window library as (partition by player_id)
),

-- What was played of the player's library, this purchase left out.
others as (
    select
        *,
        owned_count - 1 as others_count,
        played_count - played as others_played_count,
        residual_sum - (played - game_play_rate) as others_residual,
        variance_sum - variance as others_variance,
        hours_over_typical_sum - hours_over_typical as others_hours_over_typical
    from libraries
)

select
    concat_ws('-', player_id, game_id) as purchase_id,
    player_id,
    game_id,
    cast(null as timestamp) as as_of,
    cast(null as timestamp) as label_known_at,
    is_played as label,
    split,
    game_owners_count,
    game_play_rate,
    round(exp(game_mean_log_hours) - 1, 6) as game_typical_hours,
    cast(others_count as bigint) as others_owned_count,
    cast(others_played_count as bigint) as others_played_count,
    (others_played_count + 2 * play_rate) / (others_count + 2) as others_play_rate,
    others_residual / (others_variance + 1) as others_play_effect,
    others_hours_over_typical / (others_played_count + 2) as others_hours_effect,
    library_mean_play_rate,
    library_mean_log_owners
from others
