with runs as (
    select * from {{ ref('fct_title_runs') }}
),

titles as (
    select * from {{ ref('dim_anime') }}
),

-- How a run ended is known for those that finished or stopped; a run whose window is open counts in neither.
counted as (
    select
        anime_id,
        count(*) as viewers_count,
        cast(sum(views_count) as bigint) as views_count,
        count(*) filter (where run_outcome = 'finished') as finished_count,
        count(*) filter (where run_outcome in ('finished', 'stopped')) as finishable_count,
        percentile_cont(0.5) within group (order by depth) as median_depth
    from runs
    group by anime_id
),

ranked as (
    select
        *,
        cast(row_number() over (order by viewers_count desc, anime_id asc) as bigint) as title_rank
    from counted
)

select
    ranked.title_rank,
    ranked.anime_id,
    titles.title,
    titles.anime_type,
    titles.episodes_total,
    ranked.viewers_count,
    ranked.views_count,
    ranked.finished_count,
    ranked.finishable_count,
    ranked.finished_count / nullif(ranked.finishable_count, 0) as finished_rate,
    {{ wilson_low('ranked.finished_count', 'ranked.finishable_count') }} as finished_rate_low,
    {{ wilson_high('ranked.finished_count', 'ranked.finishable_count') }} as finished_rate_high,
    ranked.median_depth
from ranked
inner join titles on ranked.anime_id = titles.anime_id
where ranked.title_rank <= 20
