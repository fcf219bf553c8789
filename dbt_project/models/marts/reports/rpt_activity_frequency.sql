with frequency as (
    select * from {{ ref('fct_activity_frequency') }}
),

-- Of a window that the log does not hold, how often users came can't be told.
counted as (
    select
        source,
        window_end_date,
        active_days_count,
        case when is_complete then users_count end as users_count,
        is_complete
    from frequency
),

with_totals as (
    select
        *,
        cast(sum(users_count) over (partition by source, window_end_date) as bigint) as users_total,
        max(window_end_date) over (partition by source) = window_end_date as is_latest
    from counted
)

select
    source,
    window_end_date,
    active_days_count,
    users_count,
    users_total,
    users_count / nullif(users_total, 0) as user_share,
    {{ wilson_low('users_count', 'users_total') }} as user_share_low,
    {{ wilson_high('users_count', 'users_total') }} as user_share_high,
    is_complete,
    is_latest
from with_totals
