{%- set grid = var('as_of_grid_days') -%}
with log_spans as (
    select
        *,
        {{ days_between("date '1900-01-01'", 'first_active_date') }} as first_day,
        {{ days_between("date '1900-01-01'", 'first_open_date') }} as first_open_day
    from {{ ref('int_log_spans') }}
),

bounds as (
    select
        *,
        cast(floor(first_day / {{ grid }}) as integer) + 1 as first_step,
        cast(floor(first_open_day / {{ grid }}) as integer) as last_step
    from log_spans
),

-- From the first such date after the log's start to the last one whose days before it are all over.
steps as (
    select
        source,
        first_active_date,
        first_open_date,
        {{ explode_list(number_list('first_step', 'last_step')) }} as step
    from bounds
    where last_step >= first_step
),

dated as (
    select
        *,
        {{ date_plus("date '1900-01-01'", 'step * ' ~ grid) }} as as_of_date
    from steps
)

select
    source,
    as_of_date,
    first_active_date + 28 <= as_of_date as is_window_complete,
    as_of_date + {{ var('churn_horizon_days') }} <= first_open_date as is_horizon_over
from dated
