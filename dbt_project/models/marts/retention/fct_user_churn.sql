{%- set horizon = var('churn_horizon_days') -%}
with as_of_dates as (
    select * from {{ ref('int_as_of_dates') }}
),

windows as (
    select * from {{ ref('int_user_windows') }}
)

select
    windows.source,
    windows.user_id,
    windows.as_of_date,
    windows.last_active_date,
    cast({{ days_between('windows.last_active_date', 'windows.as_of_date') }} as integer) as days_since_last_active,
    cast(bit_count(windows.history_28) as integer) as active_days_28_count,
    -- A return is seen early, staying away only at the end: before it is over nobody's outcome counts.
    case
        when as_of_dates.is_horizon_over
            then coalesce({{ days_between('windows.as_of_date', 'windows.next_active_date') }} >= {{ horizon }}, true)
    end as is_churned
from windows
inner join as_of_dates on windows.source = as_of_dates.source and windows.as_of_date = as_of_dates.as_of_date
