{%- set grid = var('as_of_grid_days') -%}
{%- set horizon = var('churn_horizon_days') -%}
with as_of_dates as (
    select * from {{ ref('int_as_of_dates') }}
),

windows as (
    select * from {{ ref('int_user_windows') }}
),

user_days as (
    select
        source,
        user_id,
        activity_date,
        {{ days_between("date '1900-01-01'", 'activity_date') }} % {{ grid }} as days_since_as_of
    from {{ ref('fct_user_days') }}
),

-- A day lies within the horizon of each of the as-of dates before it, and of its own.
returns as (
    {%- for steps in range((horizon - 1) // grid + 1) %}
        select
            source,
            user_id,
            {{ date_plus('activity_date', '-days_since_as_of - ' ~ steps * grid) }} as as_of_date
        from user_days
        {%- if steps * grid + grid > horizon %}
    where days_since_as_of + {{ steps * grid }} < {{ horizon }}
    {%- endif %}
        {% if not loop.last %}union all{% endif %}
    {%- endfor %}
),

returned as (
    select distinct
        source,
        user_id,
        as_of_date
    from returns
)

select
    windows.source,
    windows.user_id,
    windows.as_of_date,
    windows.last_active_date,
    cast({{ days_between('windows.last_active_date', 'windows.as_of_date') }} as integer) as days_since_last_active,
    cast(bit_count(windows.history_28) as integer) as active_days_28_count,
    -- A return is seen early, staying away only at the end: before it is over nobody's outcome counts.
    case when as_of_dates.is_horizon_over then returned.user_id is null end as is_churned
from windows
inner join as_of_dates on windows.source = as_of_dates.source and windows.as_of_date = as_of_dates.as_of_date
left join returned
    on
        windows.source = returned.source
        and windows.user_id = returned.user_id
        and windows.as_of_date = returned.as_of_date
