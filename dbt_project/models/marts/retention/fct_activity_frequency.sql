with as_of_dates as (
    select * from {{ ref('int_as_of_dates') }}
),

windows as (
    select * from {{ ref('int_user_windows') }}
),

counted as (
    select
        source,
        as_of_date,
        cast(bit_count(history_28) as integer) as active_days_count,
        count(*) as users_count
    from windows
    group by 1, 2, 3
),

cells as (
    select
        source,
        as_of_date,
        is_window_complete,
        {{ explode_list(number_list('1', '28')) }} as active_days_count
    from as_of_dates
)

select
    cells.source,
    cells.as_of_date + (-1) as window_end_date,
    cast(cells.active_days_count as integer) as active_days_count,
    coalesce(counted.users_count, 0) as users_count,
    cells.is_window_complete as is_complete
from cells
left join counted
    on
        cells.source = counted.source
        and cells.as_of_date = counted.as_of_date
        and cells.active_days_count = counted.active_days_count
