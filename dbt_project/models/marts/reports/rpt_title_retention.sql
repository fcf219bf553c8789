with retention as (
    select * from {{ ref('fct_retention_by_episode') }}
    where scope = 'title'
),

-- One-episode titles have no curve.
series as (
    select * from {{ ref('rpt_top_titles') }}
    where coalesce(episodes_total, 2) > 1
),

compared as (
    select *
    from series
    qualify row_number() over (order by title_rank asc) <= 8
)

select
    compared.title_rank,
    compared.anime_id,
    compared.title,
    retention.episode_number,
    retention.at_risk_count,
    retention.continued_count,
    retention.survival,
    {{ survival_low('retention.survival', 'retention.greenwood_sum') }} as survival_low,
    {{ survival_high('retention.survival', 'retention.greenwood_sum') }} as survival_high
from compared
inner join retention on compared.anime_id = retention.anime_id
where retention.at_risk_count >= {{ var('minimum_at_risk') }}
