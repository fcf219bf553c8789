with viewers as (
    select * from {{ ref('dim_viewers') }}
),

views as (
    select * from {{ ref('fct_episode_views') }}
),

runs as (
    select * from {{ ref('fct_title_runs') }}
),

players as (
    select * from {{ ref('fct_player_engagement') }}
),

ownership as (
    select * from {{ ref('fct_game_ownership') }}
),

viewer_counts as (
    select
        count(*) filter (where views_count > 0) as successes,
        count(*) as trials
    from viewers
),

view_counts as (
    select
        count(*) as views_count,
        count(*) filter (where has_continued) as successes,
        count(has_continued) as trials,
        count(*) filter (where outcome = 'open') as open_count
    from views
),

run_counts as (
    select
        count(*) filter (where run_outcome = 'finished') as successes,
        count(*) filter (where run_outcome in ('finished', 'stopped')) as trials,
        percentile_cont(0.5) within group (order by binge_length) as median_binge_length,
        count(*) as runs_count
    from runs
),

player_counts as (
    select
        count(*) as players_count,
        percentile_cont(0.5) within group (order by total_hours) as median_hours
    from players
),

purchase_counts as (
    select
        count(*) filter (where is_purchased_not_played) as successes,
        count(*) filter (where is_purchased) as trials
    from ownership
),

figures as (
    select
        1 as figure_order,
        'Viewers who watched anything' as figure,
        'viewing' as source,
        'rate' as unit,
        successes,
        trials,
        successes / nullif(trials, 0) as value,
        'of all who signed up' as note
    from viewer_counts
    union all
    select
        2 as figure_order,
        'Episode views' as figure,
        'viewing' as source,
        'count' as unit,
        cast(null as bigint) as successes,
        cast(null as bigint) as trials,
        views_count as value,
        'rows of the viewing log' as note
    from view_counts
    where views_count > 0
    union all
    select
        3 as figure_order,
        'Views that were continued' as figure,
        'viewing' as source,
        'rate' as unit,
        successes,
        trials,
        successes / nullif(trials, 0) as value,
        'next episode started within {{ var("continuation_window_days") }} days; of the views whose window has closed'
            as note
    from view_counts
    union all
    select
        4 as figure_order,
        'Titles watched to the end' as figure,
        'viewing' as source,
        'rate' as unit,
        successes,
        trials,
        successes / nullif(trials, 0) as value,
        'of the viewer-and-title pairs that finished or stopped' as note
    from run_counts
    union all
    select
        5 as figure_order,
        'Median binge' as figure,
        'viewing' as source,
        'episodes' as unit,
        cast(null as bigint) as successes,
        runs_count as trials,
        median_binge_length as value,
        'longest sitting of a viewer with a title; over viewer-and-title pairs' as note
    from run_counts
    where runs_count > 0
    union all
    select
        6 as figure_order,
        'Median playtime' as figure,
        'steam' as source,
        'hours' as unit,
        cast(null as bigint) as successes,
        players_count as trials,
        median_hours as value,
        'over all players, those who never played included' as note
    from player_counts
    where players_count > 0
    union all
    select
        7 as figure_order,
        'Games bought and never played' as figure,
        'steam' as source,
        'rate' as unit,
        successes,
        trials,
        successes / nullif(trials, 0) as value,
        'of the player-and-game pairs with a purchase' as note
    from purchase_counts
)

select
    figure_order,
    figure,
    source,
    unit,
    value,
    trials as denominator,
    case when unit = 'rate' then {{ wilson_low('successes', 'trials') }} end as ci_low,
    case when unit = 'rate' then {{ wilson_high('successes', 'trials') }} end as ci_high,
    note
from figures
where value is not null
