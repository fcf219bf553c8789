with lifecycle as (
    select * from {{ ref('fct_lifecycle_daily') }}
)

select
    source,
    activity_date,
    -- The running day's users are not all in yet, and who seems to go dormant may still come.
    case when is_complete then new_count end as new_count,
    case when is_complete then retained_count end as retained_count,
    case when is_complete then resurrected_count end as resurrected_count,
    case when is_complete then dormant_count end as dormant_count,
    case when is_complete then dau end as dau,
    case when is_wau_complete then wau end as wau,
    case when is_mau_complete then mau end as mau,
    -- Of those active in the last 28 days, the share that is active today.
    case when is_mau_complete then dau / nullif(mau, 0) end as stickiness_rate,
    case when is_mau_complete then {{ wilson_low('dau', 'mau') }} end as stickiness_rate_low,
    case when is_mau_complete then {{ wilson_high('dau', 'mau') }} end as stickiness_rate_high,
    case when is_mau_complete then wau / nullif(mau, 0) end as weekly_stickiness_rate,
    case when is_complete then (new_count + resurrected_count) / nullif(dormant_count, 0) end as growth_ratio,
    is_complete
from lifecycle
