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

with events as (
    {{ events_of_touched_users() }}
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
    from events
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
        *,
        coalesce(session_id, concat_ws('-', user_id, session_number)) as own_or_derived_session_id
    from numbered
),

sessions as (
    select
        source,
        user_id,
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
    group by source, user_id, own_or_derived_session_id
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
