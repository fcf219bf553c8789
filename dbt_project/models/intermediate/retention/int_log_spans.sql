with user_days as (
    select * from {{ ref('fct_user_days') }}
)

-- The log reaches to its last event, so the day of that event is still running, unless somebody says it is over.
select
    source,
    min(activity_date) as first_active_date,
    max(activity_date) as last_active_date,
    max(activity_date) + {{ 1 if var('last_day_is_complete') else 0 }} as first_open_date
from user_days
group by source
