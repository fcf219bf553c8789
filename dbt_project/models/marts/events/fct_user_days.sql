{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        on_schema_change='fail',
        unique_key=['source', 'user_id'],
        meta={'vars': ['reporting_time_zone', 'session_gap_seconds']},
        pre_hook="{{ forget_changed_sources() }}"
    )
}}

-- depends_on: {{ ref('stg_ingest__loads') }}
with events as (
    select * from {{ ref('fct_events') }}
),

{% if is_incremental() %}
-- Of the users of whom anything came: the first day of which anything did, and a time before it that lets the engine
-- skip what happened long before (a day of any time zone is over within two).
reopened as (
    select
        source,
        user_id,
        min({{ reporting_date('occurred_at') }}) as reopened_date,
        {{ add_seconds('min(occurred_at)', -2 * 86400) }} as read_from
    -- Named again: the engine keeps all of a step that is read twice, and skips all but the new loads of a table.
    from {{ ref('fct_events') }} as arrivals
    semi join ({{ new_loads() }}) as new_loads on arrivals.load_number = new_loads.load_number
    group by source, user_id
),
{% endif %}

dated as (
    select
        events.source,
        events.user_id,
        {{ reporting_date('events.occurred_at') }} as activity_date,
        events.load_number,
        events.revision
    from events
    {% if is_incremental() %}
    inner join reopened
        on
            events.source = reopened.source
            and events.user_id = reopened.user_id
            and events.occurred_at >= reopened.read_from
            and {{ reporting_date('events.occurred_at') }} >= reopened.reopened_date
    {% endif %}
),

counted as (
    select
        source,
        user_id,
        activity_date,
        cast(count(*) as bigint) as events_count,
        max(load_number) as load_number,
        max(revision) as revision
    from dated
    group by source, user_id, activity_date
),

days as (
    select * from counted
    {% if is_incremental() %}
    -- Whole users are replaced: their earlier days count as before.
    union all
    select
        held.source,
        held.user_id,
        held.activity_date,
        held.events_count,
        held.load_number,
        held.revision
    from {{ this }} as held
    inner join reopened
        on
            held.source = reopened.source
            and held.user_id = reopened.user_id
            and held.activity_date < reopened.reopened_date
    {% endif %}
),

-- The last 28 days are a ring of 28 slots, a later day one slot lower: no two of them share one.
slotted as (
    select
        *,
        {{ days_between("date '1900-01-01'", 'activity_date') }} as day_index,
        (28 - {{ days_between("date '1900-01-01'", 'activity_date') }} % 28) % 28 as day_slot
    from days
),

remembered as (
    select
        *,
        min(activity_date) over (
            partition by source, user_id
            order by day_index asc
            range between unbounded preceding and current row
        ) as first_active_date,
        lag(activity_date) over (partition by source, user_id order by day_index asc) as previous_active_date,
        cast(sum({{ shift_left('1', 'day_slot') }}) over (
            partition by source, user_id
            order by day_index asc
            range between 27 preceding and current row
        ) as bigint) as ring
    from slotted
),

-- Turned so that the day itself is in slot 0, the day before it in slot 1, and so on.
turned as (
    select
        *,
        {{ shift_right('ring', 'day_slot') }}
        | ({{ shift_left('ring', '28 - day_slot') }} & {{ 2 ** 28 - 1 }}) as history_28
    from remembered
)

select
    source,
    user_id,
    activity_date,
    first_active_date,
    previous_active_date,
    cast({{ days_between('first_active_date', 'activity_date') }} as integer) as day_number,
    events_count,
    history_28,
    cast(bit_count(history_28) as integer) as active_days_28_count,
    load_number,
    revision,
    {{ settings_of_model() }} as settings
from turned
