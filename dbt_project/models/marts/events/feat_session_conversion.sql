{#- Sessions of the source's rate that a user's own rate starts from: after as many the two weigh alike. -#}
{%- set prior_sessions = 5 -%}
with openings as (
    select * from {{ ref('int_session_openings') }}
),

outcomes as (
    select * from {{ ref('int_session_outcomes') }}
),

histories as (
    select * from {{ ref('int_session_histories') }}
),

user_days as (
    select
        source,
        user_id,
        activity_date,
        coalesce(sum(events_count) over (
            partition by source, user_id
            order by activity_date asc
            rows between unbounded preceding and 1 preceding
        ), 0) as events_count
    from {{ ref('fct_user_days') }}
),

users as (
    select * from {{ ref('dim_users') }}
)

select
    concat_ws(
        '/',
        openings.source,
        openings.user_id,
        case when openings.is_own_session then 'own' else 'gap' end,
        openings.session_id
    ) as session_key,
    openings.source,
    openings.user_id,
    concat_ws('-', openings.source, openings.user_id) as user_key,
    openings.session_id,
    openings.is_own_session,
    openings.event_id,
    openings.started_at,
    openings.reached_at as as_of,
    outcomes.known_at as label_known_at,
    outcomes.has_converted as label,
    outcomes.split,
    openings.first_event,
    openings.previous_event,
    openings.latest_event,
    cast(openings.event_names_count as bigint) as event_names_count,
    cast(openings.item_events_count as bigint) as item_events_count,
    cast(openings.items_count as bigint) as items_count,
    {{ seconds_between('openings.started_at', 'openings.reached_at') }} as seconds_since_start,
    {{ seconds_between('openings.previous_event_at', 'openings.reached_at') }} as seconds_since_previous_event,
    cast(hour(openings.started_at) as integer) as hour_of_day,
    cast({{ iso_weekday('openings.started_at') }} as integer) as weekday,
    histories.user_sessions_count,
    histories.user_converted_sessions_count,
    (
        histories.user_converted_sessions_count + {{ prior_sessions }} * histories.source_conversion_rate
    ) / (histories.user_sessions_count + {{ prior_sessions }}) as user_conversion_rate,
    {{ seconds_between('histories.previous_started_at', 'openings.started_at') }} / 86400
        as user_days_since_previous_session,
    cast(user_days.events_count as bigint) as user_events_count,
    openings.device,
    users.channel,
    users.country,
    users.plan
from openings
inner join outcomes
    on
        openings.source = outcomes.source
        and openings.user_id = outcomes.user_id
        and openings.is_own_session = outcomes.is_own_session
        and openings.session_id = outcomes.session_id
inner join histories
    on
        openings.source = histories.source
        and openings.user_id = histories.user_id
        and openings.is_own_session = histories.is_own_session
        and openings.session_id = histories.session_id
inner join user_days
    on
        openings.source = user_days.source
        and openings.user_id = user_days.user_id
        and {{ reporting_date('openings.started_at') }} = user_days.activity_date
inner join users on openings.source = users.source and openings.user_id = users.user_id
