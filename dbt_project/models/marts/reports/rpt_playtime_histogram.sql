with players as (
    select * from {{ ref('fct_player_engagement') }}
),

-- Playtime spans five orders of magnitude: bins of about equal width on a logarithmic scale.
bins as (
    select *
    from (
        values
        (1, 'never played', 0, 0),
        (2, 'under 1 h', 0, 1),
        (3, '1–2 h', 1, 2),
        (4, '2–5 h', 2, 5),
        (5, '5–10 h', 5, 10),
        (6, '10–20 h', 10, 20),
        (7, '20–50 h', 20, 50),
        (8, '50–100 h', 50, 100),
        (9, '100–200 h', 100, 200),
        (10, '200–500 h', 200, 500),
        (11, '500–1,000 h', 500, 1000),
        (12, '1,000–2,000 h', 1000, 2000),
        (13, '2,000–5,000 h', 2000, 5000),
        (14, '5,000 h or more', 5000, cast(null as integer))
    ) as bin_values (bin_order, bin_label, hours_from, hours_to)  -- noqa: AL05
),

counted as (
    select
        bins.bin_order,
        bins.bin_label,
        bins.hours_from,
        bins.hours_to,
        count(players.player_id) as players_count
    from bins
    left join players
        on
            (bins.bin_order = 1) = (players.games_played_count = 0)
            and (bins.bin_order = 1 or bins.hours_from <= players.total_hours)
            and (bins.bin_order = 1 or coalesce(bins.hours_to, 1e12) > players.total_hours)
    group by bins.bin_order, bins.bin_label, bins.hours_from, bins.hours_to
),

totalled as (
    select
        *,
        cast(sum(players_count) over () as bigint) as players_total
    from counted
)

select
    *,
    players_count / players_total as player_share
from totalled
where players_total > 0
