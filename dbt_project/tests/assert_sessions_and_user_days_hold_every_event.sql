-- Every event of a user is in one session and in one day, and its load is the same wherever it is told: a user whom an
-- incremental run overlooks would show here.
with streamed as (
    select
        source,
        user_id,
        count(*) as events_count,
        min(occurred_at) as started_at,
        max(load_number) as load_number
    from {{ ref('fct_events') }}
    group by source, user_id
),

in_sessions as (
    select
        source,
        user_id,
        sum(events_count) as events_count,
        min(started_at) as started_at,
        max(load_number) as load_number
    from {{ ref('int_sessions_aggregated') }}
    group by source, user_id
),

in_days as (
    select
        source,
        user_id,
        sum(events_count) as events_count,
        max(load_number) as load_number
    from {{ ref('fct_user_days') }}
    group by source, user_id
),

users as (
    select
        source,
        user_id
    from streamed
    union
    select
        source,
        user_id
    from in_sessions
    union
    select
        source,
        user_id
    from in_days
)

select
    users.source,
    users.user_id,
    streamed.events_count as streamed_count,
    in_sessions.events_count as in_sessions_count,
    in_days.events_count as in_days_count
from users
left join streamed on users.source = streamed.source and users.user_id = streamed.user_id
left join in_sessions on users.source = in_sessions.source and users.user_id = in_sessions.user_id
left join in_days on users.source = in_days.source and users.user_id = in_days.user_id
where
    streamed.events_count is distinct from in_sessions.events_count
    or streamed.events_count is distinct from in_days.events_count
    or streamed.started_at is distinct from in_sessions.started_at
    or streamed.load_number is distinct from in_sessions.load_number
    or streamed.load_number is distinct from in_days.load_number
