{{ config(materialized='table') }}

with definitions as (
    select * from {{ ref('stg_definitions__retention') }}
),

events as (
    select
        source,
        user_id,
        event_name,
        occurred_at,
        delivery_number
    from {{ ref('fct_events') }}
),

first_events as (
    select * from {{ ref('int_user_first_events') }}
),

-- Whoever comes at all enters with their first event.
first_entries as (
    select
        definitions.definition,
        definitions.cohort_grain,
        definitions.cohort_mode,
        first_events.source,
        first_events.user_id,
        first_events.occurred_at,
        first_events.delivery_number
    from first_events
    cross join definitions
    where definitions.entry_event is null and definitions.cohort_mode = 'first_time'
),

named_entries as (
    select
        definitions.definition,
        definitions.cohort_grain,
        definitions.cohort_mode,
        events.source,
        events.user_id,
        events.occurred_at,
        events.delivery_number
    from events
    inner join definitions on events.event_name = definitions.entry_event
),

recurring_entries as (
    select
        definitions.definition,
        definitions.cohort_grain,
        definitions.cohort_mode,
        events.source,
        events.user_id,
        events.occurred_at,
        events.delivery_number
    from events
    cross join definitions
    where definitions.entry_event is null and definitions.cohort_mode = 'recurring'
),

entries as (
    select * from named_entries
    union all
    select * from recurring_entries
),

dated as (
    select
        *,
        {{ period_start_of('cohort_grain', reporting_date('occurred_at')) }} as cohort_date
    from entries
),

-- First-time: one cohort a user, that of the first entry event; recurring: one in every period with an entry event.
ranked as (
    select
        *,
        row_number() over (
            partition by
                definition, cohort_grain, source, user_id, case when cohort_mode = 'recurring' then cohort_date end
            order by occurred_at asc, delivery_number asc
        ) as entry_number
    from dated
),

members as (
    select
        definition,
        source,
        cohort_grain,
        {{ period_start_of('cohort_grain', reporting_date('occurred_at')) }} as cohort_date,
        user_id,
        occurred_at as entered_at,
        delivery_number
    from first_entries
    union all
    select
        definition,
        source,
        cohort_grain,
        cohort_date,
        user_id,
        occurred_at as entered_at,
        delivery_number
    from ranked
    where entry_number = 1
)

select * from members
