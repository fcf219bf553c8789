with ownership as (
    select
        ownership.player_id,
        ownership.game_id,
        ownership.is_purchased,
        ownership.is_played,
        ownership.hours,
        case when ownership.is_played then {{ summable('ln(1 + ownership.hours)') }} end as log_hours,
        -- The library is cut in two by the MD5 of the game; no figure of one half rests on the other.
        substr(md5(ownership.game_id), 1, 1) < '8' as is_in_first_half,
        splits.split,
        splits.fold
    from {{ ref('fct_game_ownership') }} as ownership
    inner join {{ ref('int_player_splits') }} as splits on ownership.player_id = splits.player_id
),

by_fold as (
    select
        game_id,
        is_in_first_half,
        fold,
        count(*) as owners_count,
        count_if(is_played) as players_count,
        coalesce(sum(log_hours), 0) as log_hours_sum
    from ownership
    where fold is not null
    group by game_id, is_in_first_half, fold
),

by_game as (
    select
        game_id,
        sum(owners_count) as owners_count,
        sum(players_count) as players_count,
        sum(log_hours_sum) as log_hours_sum
    from by_fold
    group by game_id
),

fold_totals as (
    select
        is_in_first_half,
        fold,
        sum(owners_count) as owners_count,
        sum(players_count) as players_count
    from by_fold
    group by is_in_first_half, fold
),

half_totals as (
    select
        is_in_first_half,
        sum(owners_count) as owners_count,
        sum(players_count) as players_count
    from fold_totals
    group by is_in_first_half
),

-- Of the training players, without those of the row's own fold: a training player, like any other, meets figures that
-- they had no part in.
known as (
    select
        ownership.*,
        coalesce(by_game.owners_count, 0) - coalesce(by_fold.owners_count, 0) as game_owners_count,
        coalesce(by_game.players_count, 0) - coalesce(by_fold.players_count, 0) as game_players_count,
        coalesce(by_game.log_hours_sum, 0) - coalesce(by_fold.log_hours_sum, 0) as game_log_hours_sum,
        coalesce(
            (half_totals.players_count - coalesce(fold_totals.players_count, 0))
            / nullif(half_totals.owners_count - coalesce(fold_totals.owners_count, 0), 0),
            0.5
        ) as play_rate
    from ownership
    left join half_totals on ownership.is_in_first_half = half_totals.is_in_first_half
    left join fold_totals
        on ownership.is_in_first_half = fold_totals.is_in_first_half and ownership.fold = fold_totals.fold
    left join by_game on ownership.game_id = by_game.game_id
    left join by_fold on ownership.game_id = by_fold.game_id and ownership.fold = by_fold.fold
)

select
    player_id,
    game_id,
    is_purchased,
    is_played,
    hours,
    log_hours,
    split,
    is_in_first_half,
    cast(game_owners_count as bigint) as game_owners_count,
    cast(game_players_count as bigint) as game_players_count,
    play_rate,
    {{ summable('(game_players_count + 3 * play_rate) / (game_owners_count + 3)') }} as game_play_rate,
    {{ summable('game_log_hours_sum / nullif(game_players_count, 0)') }} as game_mean_log_hours
from known
