with users as (
    select source, user_id, first_active_date as f, max(activity_date) as l,
        sum(events_count) filter (where day_number = 0) as de,
        sum(events_count) filter (where date_trunc('week', activity_date)::date = date_trunc('week', f)::date) as we,
        sum(events_count) filter (where date_trunc('month', activity_date)::date = date_trunc('month', f)::date) as me
    from marts.fct_user_days group by all
),
ends as (select max(activity_date) as e from marts.fct_user_days),
seen as (
    select 'day' as g, first_active_date as c, day_number::bigint as p, count(*) as n
    from marts.fct_user_days group by all
    union all
    select 'week', c, (w - c) // 7, count(*) from (
        select distinct user_id, date_trunc('week', first_active_date)::date as c, date_trunc('week', activity_date)::date as w
        from marts.fct_user_days
    ) group by all
    union all
    select 'month', c, date_diff('month', c, w), count(*) from (
        select distinct user_id, date_trunc('month', first_active_date)::date as c, date_trunc('month', activity_date)::date as w
        from marts.fct_user_days
    ) group by all
),
lasts as (
    select 'day' as g, f as c, (l - f)::bigint as p, count(*) as n, count(*) filter (where de > 1) as s
    from users group by all
    union all
    select 'week', date_trunc('week', f)::date, (date_trunc('week', l)::date - date_trunc('week', f)::date) // 7, count(*),
        count(*) filter (where we > 1)
    from users group by all
    union all
    select 'month', date_trunc('month', f)::date, date_diff('month', f, l), count(*), count(*) filter (where me > 1)
    from users group by all
),
cohorts as (
    select g, c, sum(n) as size, sum(s) as s,
        case g when 'day' then e - c when 'week' then (date_trunc('week', e)::date - c) // 7
            else date_diff('month', c, e) end as last_period
    from lasts, ends group by all
),
cells as (select *, unnest(range(last_period + 1)) as p from cohorts)
select
    'log' as source, g as cohort_grain, c::date as cohort_date, p::integer as period_index, size::bigint as cohort_size,
    case when p = 0 then size when p < last_period then coalesce(seen.n, 0) end::bigint as active_count,
    case when p = 0 or p < last_period then size - coalesce(sum(lasts.n) over (
        partition by g, c order by p rows between unbounded preceding and 1 preceding
    ), 0) end::bigint as active_on_or_after_count,
    case when p = 0 and p < last_period then cells.s end::bigint as same_period_return_count,
    p < last_period as is_complete
from cells left join seen using (g, c, p) left join lasts using (g, c, p)
