{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        on_schema_change='fail',
        unique_key=['source', 'user_id'],
        meta={'vars': ['conversion_events', 'path_events_limit', 'session_gap_seconds']},
        pre_hook="{{ forget_changed_sources() }}"
    )
}}

-- depends_on: {{ ref('stg_ingest__loads') }}
with events as (
    select * from {{ ref('fct_events') }}
),
{% if is_incremental() %}
touched as (
    select distinct
        source,
        user_id
    -- Named again: the engine keeps all of a step that is read twice, and skips all but the new loads of a table.
    from {{ ref('fct_events') }} as arrivals
    semi join ({{ new_loads() }}) as new_loads on arrivals.load_number = new_loads.load_number
),
{% endif %}
-- Whole users: a late event can make two of their sessions one, and so rename all after it.
events_of_sessions as (
    select events.*
    from events
    {%- if is_incremental() %}
        inner join touched on events.source = touched.source and events.user_id = touched.user_id
    {%- endif %}
)

select
    source,
    user_id,
    session_id,
    is_own_session,
    min(occurred_at) as started_at,
    max(coalesce(ended_at, occurred_at)) as ended_at,
    cast(count(*) as bigint) as events_count,
    min_by(event_name, event_number) as entry_event,
    max_by(event_name, event_number) as exit_event,
    {{ join_in_order('event_name', 'event_number', ' > ', var('path_events_limit')) }} as path,
    bool_or({{ is_conversion('event_name') }}) as has_reached_goal,
    max(load_number) as load_number,
    max(revision) as revision,
    {{ settings_of_model() }} as settings
from events_of_sessions
group by source, user_id, session_id, is_own_session
