with seen as (
    select 'day' as g, 28 as f, 90 as k, first_active_date as c, day_number as p, previous_active_date - first_active_date as q,
        events_count as n
    from marts.fct_user_days
    union all
    select 'week', 4, 104, date_trunc('week', first_active_date)::date,
        (date_trunc('week', activity_date)::date - date_trunc('week', first_active_date)::date) // 7 as w,
        lag(w) over (partition by user_id order by w), n
    from (
        select user_id, first_active_date, max(activity_date) as activity_date, sum(events_count) as n
        from marts.fct_user_days group by user_id, first_active_date, date_trunc('week', activity_date)
    )
    union all
    select 'month', 3, 60, date_trunc('month', first_active_date)::date,
        date_diff('month', first_active_date, activity_date) as m, lag(m) over (partition by user_id order by m), n
    from (
        select user_id, first_active_date, max(activity_date) as activity_date, sum(events_count) as n
        from marts.fct_user_days group by user_id, first_active_date, date_trunc('month', activity_date)
    )
),
counted as (
    select g, c, p, f, k, greatest(q + 1, p - f + 1) as s, count(*) as n, count(*) filter (where n > 1) as again
    from seen where p < k + f group by all
),
ends as (select max(activity_date) as e from marts.fct_user_days),
cohorts as (
    select g, c, f, k, sum(n) as size, sum(again) as again,
        case g when 'day' then e - c when 'week' then (date_trunc('week', e)::date - c) // 7
            else date_diff('month', c, e) end as last_period
    from counted, ends where p = 0 group by all
),
cells as (select *, unnest(range(least(last_period, k) + 1)) as p from cohorts),
changes as (
    select g, c, p, n, 0 as o from counted where p > 0
    union all select g, c, s, 0, n from counted where p > 0
    union all select g, c, p + 1, 0, -n from counted where p > 0
),
per_period as (select g, c, p, sum(n) as n, sum(o) as o from changes group by all)
select
    'any_event' as definition, 'log' as source, g as cohort_grain, c::date as cohort_date, p::integer as period_index,
    size::bigint as cohort_size,
    case when p = 0 then size when p < last_period then coalesce(per_period.n, 0) end::bigint as active_count,
    case when p = 0 then size when p + f <= last_period then sum(coalesce(o, 0)) over (partition by g, c order by p) end::bigint
        as active_on_or_after_count,
    case when p = 0 and p < last_period then again end::bigint as same_period_return_count,
    p < last_period as is_complete,
    greatest(last_period - k, 0)::integer as periods_cut_count
from cells left join per_period using (g, c, p)
