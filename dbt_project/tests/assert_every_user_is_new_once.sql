-- New users of all days are all users, and so are the members of the cohorts of a grain, if entered by any event.
with users as (
    select
        source,
        count(distinct user_id) as users_count
    from {{ ref('fct_user_days') }}
    group by source
),

new_users as (
    select
        source,
        sum(new_count) as users_count
    from {{ ref('fct_lifecycle_daily') }}
    group by source
),

members as (
    select
        source,
        cohort_grain,
        sum(cohort_size) as users_count
    from {{ ref('fct_cohort_retention') }}
    where definition = 'any_event' and period_index = 0
    group by source, cohort_grain
)

select
    users.source,
    users.users_count,
    new_users.users_count as other_count
from users
left join new_users on users.source = new_users.source
where users.users_count is distinct from new_users.users_count
union all
select
    users.source,
    users.users_count,
    members.users_count as other_count
from users
left join members on users.source = members.source
where users.users_count is distinct from members.users_count
