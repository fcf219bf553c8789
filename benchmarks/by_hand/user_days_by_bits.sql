-- A ring of 28 bits, summed over a window; the source is one, so that the user alone is the key.
with days as (
    select
        user_id,
        cast(occurred_at as date) as activity_date,
        cast(count(*) as bigint) as events_count,
        max(load_number) as load_number
    from marts.fct_events
    group by all
),

slots as (
    select *, activity_date - date '1900-01-01' as day_index, (28 - day_index % 28) % 28 as slot
    from days
)

select
    'shop' as source,
    user_id,
    activity_date,
    min(activity_date) over before as first_active_date,
    lag(activity_date) over (partition by user_id order by day_index) as previous_active_date,
    cast(activity_date - first_active_date as integer) as day_number,
    events_count,
    cast(sum(1::bigint << slot) over last_28_days as bigint) as ring,
    (ring >> slot) | ((ring << (28 - slot)) & 268435455) as history_28,
    cast(bit_count(history_28) as integer) as active_days_28_count,
    load_number
from slots
window
    before as (
        partition by user_id order by day_index range between unbounded preceding and current row
    ),
    last_28_days as (partition by user_id order by day_index range between 27 preceding and current row)
