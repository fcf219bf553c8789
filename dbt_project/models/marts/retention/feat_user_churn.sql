with churn as (
    select * from {{ ref('fct_user_churn') }}
),

windows as (
    select * from {{ ref('int_user_windows') }}
),

window_activity as (
    select * from {{ ref('int_user_window_activity') }}
),

splits as (
    select * from {{ ref('int_user_churn_splits') }}
),

segments as (
    select
        source,
        user_id,
        max(case when segment_name = 'device' then segment_value end) as device,
        max(case when segment_name = 'channel' then segment_value end) as channel
    from {{ ref('int_user_segments') }}
    where segment_name in ('device', 'channel')
    group by source, user_id
)

{%- set recency -%}
    {{ days_between('windows.first_active_date', 'windows.last_active_date') }}
{%- endset %}

select
    concat_ws('-', churn.source, churn.user_id, cast(churn.as_of_date as string)) as user_as_of_id,
    churn.source,
    churn.user_id,
    concat_ws('-', churn.source, churn.user_id) as user_key,
    churn.as_of_date,
    {{ reporting_day_start('churn.as_of_date') }} as as_of,
    case
        when churn.is_churned is not null
            then {{ reporting_day_start('(churn.as_of_date + ' ~ var('churn_horizon_days') ~ ')') }}
    end as label_known_at,
    churn.is_churned as label,
    splits.split,
    churn.days_since_last_active,
    cast(bit_count(windows.history_28 & {{ 2 ** 7 - 1 }}) as integer) as active_days_7_count,
    churn.active_days_28_count,
    cast({{ days_between('windows.first_active_date', 'churn.as_of_date') }} as integer) as tenure_days,
    cast(
        2 * bit_count(windows.history_28 & {{ 2 ** 14 - 1 }}) - bit_count(windows.history_28) as integer
    ) as active_days_trend,
    windows.active_days_count,
    cast({{ recency }} as integer) as recency_days,
    {{ recency }} / nullif(windows.active_days_count - 1, 0) as mean_gap_days,
    windows.longest_gap_days,
    churn.days_since_last_active * (windows.active_days_count - 1) / nullif({{ recency }}, 0) as silence_per_mean_gap,
    windows.events_7_count,
    windows.events_28_count,
    windows.events_28_count / churn.active_days_28_count as events_per_active_day,
    coalesce(window_activity.sessions_28_count, 0) as sessions_28_count,
    coalesce(window_activity.items_28_count, 0) as items_28_count,
    segments.device,
    segments.channel
from churn
inner join windows
    on
        churn.source = windows.source
        and churn.user_id = windows.user_id
        and churn.as_of_date = windows.as_of_date
inner join splits on churn.source = splits.source and churn.as_of_date = splits.as_of_date
left join window_activity
    on
        churn.source = window_activity.source
        and churn.user_id = window_activity.user_id
        and churn.as_of_date = window_activity.as_of_date
left join segments on churn.source = segments.source and churn.user_id = segments.user_id
