{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        on_schema_change='fail',
        unique_key='delivery_number',
        meta={'vars': ['session_gap_seconds']},
        pre_hook="{{ forget_changed_sources() }}"
    )
}}

{%- set columns = [
    'delivery_number', 'source', 'user_id', 'event_id', 'event_name', 'item_id', 'occurred_at', 'ended_at', 'device',
    'properties', 'batch_id', 'load_number', 'revision', 'loaded_at'
] | join(', ') %}
{%- set cut_by = 'delivery_number, source, user_id, own_session_id, occurred_at, ended_at' %}

-- depends_on: {{ ref('stg_ingest__loads') }}
with arrivals as (
    select
        own_session_id,
        {{ columns }}
    from {{ ref('int_events_unioned') }} as landed  -- noqa: AL05
    {%- if is_incremental() %}
        -- The time of a load beside its name lets the engine skip what was stored before it.
        semi join ({{ new_loads() }}) as new_loads
            on landed.batch_id = new_loads.batch_id and landed.loaded_at = new_loads.loaded_at
    {%- endif %}
),
{% if is_incremental() %}
touched as (
    select distinct
        source,
        user_id,
        own_session_id
    from arrivals
),

-- What is in here already of the users of whom anything came; of the log's own sessions only those it came of.
held as (
    select
        held.delivery_number,
        held.source,
        held.user_id,
        touched.own_session_id,
        held.occurred_at,
        held.ended_at,
        held.session_number,
        held.event_number
    from {{ this }} as held
    inner join touched
        on
            held.source = touched.source
            and held.user_id = touched.user_id
            and case when held.is_own_session then held.session_id end is not distinct from touched.own_session_id
),
{% endif %}
events_to_cut as (
    select {{ cut_by }}
    {%- if is_incremental() %}
        from arrivals
        union all
        select {{ cut_by }}
        from held
    {%- else %}
        -- Named again, as the whole log: the engine keeps all of a step that is read twice.
        from {{ ref('int_events_unioned') }}
    {%- endif %}
),

-- Idle time runs from the end of the user's earlier events, the latest so far, to the next one. Sessions of the log's
-- own are no part of it.
with_previous as (
    select
        delivery_number,
        source,
        user_id,
        own_session_id,
        occurred_at,
        row_number() over (
            partition by source, user_id, own_session_id order by occurred_at asc, delivery_number asc
        ) as place,
        max(coalesce(ended_at, occurred_at)) over (
            partition by source, user_id, own_session_id
            order by occurred_at asc, delivery_number asc
            rows between unbounded preceding and 1 preceding
        ) as previous_ended_at
    from events_to_cut
),

flagged as (
    select
        *,
        previous_ended_at is null
        or (
            own_session_id is null
            and occurred_at > {{ add_seconds('previous_ended_at', var('session_gap_seconds')) }}
        ) as is_session_start
    from with_previous
),

numbered as (
    select
        delivery_number,
        case
            when own_session_id is null then count_if(is_session_start) over user_so_far
        end as session_number,
        place + 1 - max(case when is_session_start then place end) over user_so_far as event_number
    from flagged
    window user_so_far as (
        partition by source, user_id, own_session_id
        order by place asc
        rows between unbounded preceding and current row
    )
),

-- A late event moves those after it into other places; what stays in its own is not written again.
changed as (
    select numbered.*
    from numbered
    {%- if is_incremental() %}
        left join held on numbered.delivery_number = held.delivery_number
        where
            held.session_number is distinct from numbered.session_number
            or held.event_number is distinct from numbered.event_number
    {%- endif %}
),

kept as (
    select * from arrivals
    {%- if is_incremental() %}
        union all
        select
            case when is_own_session then session_id end as own_session_id,
            {{ columns }}
        from {{ this }}
    {%- endif %}
)

select
    kept.source,
    kept.user_id,
    coalesce(kept.own_session_id, concat_ws('-', kept.user_id, changed.session_number)) as session_id,
    kept.own_session_id is not null as is_own_session,
    cast(changed.session_number as bigint) as session_number,
    cast(changed.event_number as bigint) as event_number,
    kept.event_id,
    kept.event_name,
    kept.item_id,
    kept.occurred_at,
    kept.ended_at,
    kept.device,
    kept.properties,
    kept.batch_id,
    kept.load_number,
    kept.revision,
    {{ settings_of_model() }} as settings,
    kept.delivery_number,
    kept.loaded_at
from kept
inner join changed on kept.delivery_number = changed.delivery_number
