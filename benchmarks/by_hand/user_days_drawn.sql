create table drawn as
select
    'u' || users.i as user_id,
    date '2025-01-01' + days.d::integer as activity_date,
    1 + (hash(users.i, days.d, 'e') % 4)::bigint as events_count
from (select i, hash(i, 'f') % {days} as first_day, hash(i, 's') % 100 as share from range({users}) as r(i)) users,
    range({days}) as days(d)
where days.d = users.first_day
    or (days.d > users.first_day and hash(users.i, days.d) % 1000 < share * 300 / (days.d - users.first_day + 60))
