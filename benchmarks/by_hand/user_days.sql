select
    'log' as source, user_id, activity_date, first_active_date,
    lag(activity_date) over (partition by user_id order by activity_date) as previous_active_date,
    (activity_date - first_active_date)::integer as day_number, events_count, history_28,
    bit_count(history_28)::integer as active_days_28_count, 1::bigint as load_number, 0::bigint as revision
from (
    select
        *,
        min(activity_date) over (partition by user_id) as first_active_date,
        (select 0) | list_sum([1::bigint << (activity_date - other)::bigint for other in recent]) as history_28
    from (
        select
            *,
            list(activity_date) over (
                partition by user_id order by activity_date range between interval 27 day preceding and current row
            ) as recent
        from drawn
    )
)
