-- Visits of a few events, most in the weeks after a user's first; {users} of them.
create table drawn.log as
with users as (
    select user_number, 1 + floor(-5 * ln(1 - random())) as visits_count, floor(random() * 365) as first_day
    from range({users}) as users (user_number)
),

visits as (
    select
        user_number,
        visit_number,
        first_day + case when visit_number = 0 then 0 else floor(-40 * ln(1 - random())) end as day_number,
        floor(86400 * (0.25 + 0.7 * random())) as day_second
    from users, range(cast(visits_count as integer)) as visits (visit_number)
),

steps as (
    select
        *,
        timestamp '2024-01-01'
        + cast(day_number * 86400 + day_second + 60 * step + floor(59 * random()) as bigint) * interval 1 second
            as occurred_at
    from visits, range(5) as steps (step)
    where day_number < 365
)

select
    -- As ingest makes the id of a row that has none: the second, then a hash.
    concat(
        printf('%08x', cast(epoch(occurred_at) as bigint)),
        left(md5(concat_ws('-', user_number, visit_number, step)), 16)
    ) as event_id,
    'user-' || user_number as user_id,
    ['home', 'search', 'view', 'cart', 'purchase'][1 + step] as event_name,
    'item-' || cast(floor(1000 * random()) as integer) as item_id,
    occurred_at,
    case when random() < 0.5 then '{{"device":"phone"}}' else '{{"device":"desktop"}}' end as properties
from steps
order by occurred_at
