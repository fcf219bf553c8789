with survival as (
    select * from {{ ref('fct_survival') }}
),

titles as (
    select * from {{ ref('dim_anime') }}
)

select
    survival.source,
    survival.curve,
    survival.segment_name,
    survival.segment_value,
    coalesce(titles.title, survival.segment_value) as segment_label,
    survival.time,
    case survival.curve when 'depth' then 'episodes' else 'days' end as time_unit,
    survival.at_risk_count,
    survival.ended_count,
    survival.censored_count,
    survival.survival,
    survival.survival_low,
    survival.survival_high
from survival
left join titles on survival.curve = 'depth' and survival.segment_value = titles.anime_id
-- Beyond that too few are left to read anything from the curve; the counts stay in fct_survival.
where survival.at_risk_count >= {{ var('minimum_at_risk') }}
