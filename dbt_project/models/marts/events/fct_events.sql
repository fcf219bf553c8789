{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{{ forget_replaced_loads('batch_id') }}"
    )
}}

-- depends_on: {{ ref('stg_ingest__loads') }}
with events as (
    select * from {{ ref('int_events_unioned') }}
),

{% if is_incremental() %}
loads as (
    select * from {{ ref('stg_ingest__loads') }}
),

-- By the loads that are not in here yet, not by a point in time: two loads of the same instant are told apart.
new_loads as (
    select
        batch_id,
        loaded_at
    from loads
    where
        is_current
        and batch_id not in (select distinct seen.batch_id from {{ this }} as seen)
),

-- The time of the load beside its name lets the engine skip what was stored before it.
received as (
    select events.*
    from events
    inner join new_loads on events.batch_id = new_loads.batch_id and events.loaded_at = new_loads.loaded_at
),

known as (
    select
        known.source,
        known.event_id
    from {{ this }} as known
    inner join received on known.source = received.source and known.event_id = received.event_id
),
{% endif %}

candidates as (
    select arrivals.*
    from {{ 'received' if is_incremental() else 'events' }} as arrivals
    {{ "left join known on arrivals.source = known.source and arrivals.event_id = known.event_id" if is_incremental() }}
    {{ "where known.event_id is null" if is_incremental() }}
),

-- Few events come twice, or none: only those are put in order, to keep the first received.
repeated as (
    select
        source,
        event_id
    from candidates
    group by source, event_id
    having count(*) > 1
),

numbered as (
    select
        candidates.*,
        row_number() over (
            partition by candidates.source, candidates.event_id
            order by candidates.loaded_at asc, candidates.batch_id asc, candidates.file_row_number asc
        ) as receipt_number
    from candidates
    inner join repeated on candidates.source = repeated.source and candidates.event_id = repeated.event_id
),

once as (
    select
        candidates.*,
        1 as receipt_number
    from candidates
    left join repeated on candidates.source = repeated.source and candidates.event_id = repeated.event_id
    where repeated.event_id is null
),

received_in_order as (
    select * from once
    union all
    select * from numbered
)

select
    source,
    user_id,
    session_id,
    event_id,
    event_name,
    item_id,
    occurred_at,
    ended_at,
    device,
    properties,
    batch_id,
    loaded_at
from received_in_order
where receipt_number = 1
