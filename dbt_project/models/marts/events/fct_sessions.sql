{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        on_schema_change='fail',
        unique_key=['source', 'user_id'],
        pre_hook="{{ forget_replaced_loads('loaded_at') }}",
        post_hook="{{ settle_conversions() }}"
    )
}}

-- depends_on: {{ ref('stg_ingest__loads') }}
with events as (
    select * from {{ ref('fct_events') }}
),

{% if is_incremental() %}
arrivals as (
    {{ events_of_new_loads() }}
),

first_arrivals as (
    select
        source,
        user_id,
        session_id,
        min(occurred_at) as occurred_at
    from arrivals
    group by source, user_id, session_id
),

-- Of the users of whom anything came: whole users are replaced, the sessions that stay as they are by themselves.
held as (
    select
        sessions.*,
        case when sessions.has_own_id then sessions.session_id end as own_session_id
    from {{ this }} as sessions
    inner join (select distinct source, user_id from first_arrivals) as touched
        on sessions.source = touched.source and sessions.user_id = touched.user_id
),

-- What can change: of the log's own sessions, those that something came of; of the others, all from the first arrival
-- on, and from the start of the session before it, if the arrival is near enough to belong to it.
reopened as (
    select
        first_arrivals.source,
        first_arrivals.user_id,
        first_arrivals.session_id,
        least(first_arrivals.occurred_at, min(held.started_at)) as reopened_at
    from first_arrivals
    left join held
        on
            first_arrivals.source = held.source
            and first_arrivals.user_id = held.user_id
            and first_arrivals.session_id is not distinct from held.own_session_id
            and (
                held.has_own_id
                or first_arrivals.occurred_at <= {{ add_seconds('held.ended_at', var('session_gap_seconds')) }}
            )
    group by first_arrivals.source, first_arrivals.user_id, first_arrivals.session_id, first_arrivals.occurred_at
),

kept as (
    select held.*
    from held
    left join reopened
        on
            held.source = reopened.source
            and held.user_id = reopened.user_id
            and held.own_session_id is not distinct from reopened.session_id
            and (held.has_own_id or held.started_at >= reopened.reopened_at)
    where reopened.source is null
),

kept_counts as (
    select
        source,
        user_id,
        count(*) as sessions_count
    from kept
    where not has_own_id
    group by source, user_id
),
{% endif %}

events_to_cut as (
    select events.*
    from events
    {% if is_incremental() %}
    inner join reopened
        on
            events.source = reopened.source
            and events.user_id = reopened.user_id
            and events.session_id is not distinct from reopened.session_id
            and events.occurred_at >= reopened.reopened_at
    {% endif %}
),

-- Idle time runs from the end of the user's earlier events, the latest so far, to the next one. Events that carry the
-- log's own session are no part of it.
with_previous as (
    select
        source,
        user_id,
        session_id,
        event_name,
        occurred_at,
        coalesce(ended_at, occurred_at) as ended_at,
        loaded_at,
        row_number() over (
            partition by source, user_id order by occurred_at asc, event_id asc
        ) as event_number,
        max(case when session_id is null then coalesce(ended_at, occurred_at) end) over (
            partition by source, user_id
            order by occurred_at asc, event_id asc
            rows between unbounded preceding and 1 preceding
        ) as previous_ended_at
    from events_to_cut
),

numbered as (
    select
        *,
        count_if(
            session_id is null
            and (
                previous_ended_at is null
                or occurred_at > {{ add_seconds('previous_ended_at', var('session_gap_seconds')) }}
            )
        ) over (
            partition by source, user_id
            order by event_number asc
            rows between unbounded preceding and current row
        ) as session_number
    from with_previous
),

sessionized as (
    select
        numbered.*,
        numbered.session_id is not null as has_own_id,
        {% set earlier = '+ coalesce(kept_counts.sessions_count, 0)' if is_incremental() %}
        coalesce(
            numbered.session_id, concat_ws('-', numbered.user_id, numbered.session_number {{ earlier }})
        ) as own_or_derived_session_id
    from numbered
    {% if is_incremental() %}
    left join kept_counts on numbered.source = kept_counts.source and numbered.user_id = kept_counts.user_id
    {% endif %}
),

made as (
    select
        source,
        user_id,
        has_own_id,
        own_or_derived_session_id as session_id,
        min(occurred_at) as started_at,
        max(ended_at) as ended_at,
        cast(count(*) as bigint) as events_count,
        min_by(event_name, event_number) as entry_event,
        max_by(event_name, event_number) as exit_event,
        {{ join_in_order('event_name', 'event_number', ' > ', var('path_events_limit')) }} as path,
        bool_or({{ is_conversion('event_name') }}) as has_goal,
        max(loaded_at) as loaded_at
    from sessionized
    group by source, user_id, has_own_id, own_or_derived_session_id
),

sessions as (
    select * from made
    {% if is_incremental() %}
    union all
    select
        source,
        user_id,
        has_own_id,
        session_id,
        started_at,
        ended_at,
        events_count,
        entry_event,
        exit_event,
        path,
        coalesce(has_converted, false) as has_goal,
        loaded_at
    from kept
    {% endif %}
),

-- Where no session of the source ever reached a goal, the source has none to reach.
sources_with_goals as (
    select distinct source from sessions
    where has_goal
    {% if is_incremental() -%}
    union
    select distinct source from {{ this }}
    where has_converted
    {%- endif %}
)

select
    sessions.source,
    sessions.user_id,
    sessions.session_id,
    sessions.has_own_id,
    sessions.started_at,
    sessions.ended_at,
    {{ seconds_between('sessions.started_at', 'sessions.ended_at') }} as duration_seconds,
    sessions.events_count,
    sessions.entry_event,
    sessions.exit_event,
    sessions.path,
    case when sources_with_goals.source is not null then sessions.has_goal end as has_converted,
    sessions.loaded_at
from sessions
left join sources_with_goals on sessions.source = sources_with_goals.source
