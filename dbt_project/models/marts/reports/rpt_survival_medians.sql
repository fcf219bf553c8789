{#- A curve that stands at one half may be off by its last bits, a product of shares that it is. -#}
{%- set half = '0.5 + 1e-10' -%}
with survival as (
    select * from {{ ref('fct_survival') }}
),

titles as (
    select * from {{ ref('dim_anime') }}
),

medians as (
    select
        source,
        curve,
        segment_name,
        segment_value,
        max(at_risk_count) as members_count,
        cast(sum(ended_count) as bigint) as ended_count,
        -- The time by which half are gone, and where the ends of the interval cross one half; null when not reached.
        min(time) filter (where survival <= {{ half }}) as median_time,
        min(time) filter (where survival_low <= {{ half }} or survival = 0) as median_time_low,
        min(time) filter (where survival_high <= {{ half }} or survival = 0) as median_time_high
    from survival
    group by source, curve, segment_name, segment_value
)

select
    medians.source,
    medians.curve,
    medians.segment_name,
    medians.segment_value,
    coalesce(titles.title, medians.segment_value) as segment_label,
    medians.members_count,
    medians.ended_count,
    medians.median_time,
    medians.median_time_low,
    medians.median_time_high
from medians
left join titles on medians.curve = 'depth' and medians.segment_value = titles.anime_id
