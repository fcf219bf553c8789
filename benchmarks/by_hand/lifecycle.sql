with gaps as (
    select activity_date as d, day_number,
        activity_date - lag(activity_date) over (partition by user_id order by activity_date) as gap
    from marts.fct_user_days
),
counted as (
    select d, gap, count(*) as n, count(*) filter (where day_number = 0) as new from gaps group by all
),
active as (
    select d, sum(n) as n, sum(new) as new, coalesce(sum(n) filter (where gap <= 28), 0) as kept
    from counted group by d
),
changes as (
    select d, n as w, n as m, 0 as o from active
    union all select d + 7, -n, 0, 0 from active
    union all select d + 28, 0, -n, n from active
    union all select d, -n, 0, 0 from counted where gap < 7
    union all select d + (7 - gap)::integer, n, 0, 0 from counted where gap < 7
    union all select d, 0, -n, 0 from counted where gap < 28
    union all select d + (28 - gap)::integer, 0, n, -n from counted where gap <= 28
    union all select d, 0, -n, 0 from counted where gap = 28
),
days as (
    select unnest(generate_series(min(d), max(d), interval 1 day))::date as d, min(d) as s, max(d) as e from active
),
per_day as (select d, sum(w) as w, sum(m) as m, sum(o) as o from changes group by d)
select
    'log' as source, d as activity_date, coalesce(new, 0)::bigint as new_count, coalesce(kept, 0)::bigint as retained_count,
    coalesce(n - new - kept, 0)::bigint as resurrected_count, coalesce(o, 0)::bigint as dormant_count,
    coalesce(n, 0)::bigint as dau, sum(w) over so_far::bigint as wau, sum(m) over so_far::bigint as mau,
    sum(new) over so_far::bigint as users_count, d < e as is_complete, d - s >= 6 and d < e as is_wau_complete,
    d - s >= 27 and d < e as is_mau_complete
from days left join active using (d) left join per_day using (d)
window so_far as (order by d rows between unbounded preceding and current row)
