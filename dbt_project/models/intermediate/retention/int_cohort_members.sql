{{ config(materialized='table') }}

with definitions as (
    select * from {{ ref('stg_definitions__retention') }}
),

user_first_events as (
    select * from {{ ref('int_user_first_events') }}
),

-- First-time: one entry a user, the same for every grain. Of any event it is the user's very first.
first_time_definitions as (
    select distinct
        definition,
        entry_event
    from definitions
    where cohort_mode = 'first_time'
),

first_of_any as (
    select
        first_time_definitions.definition,
        user_first_events.source,
        user_first_events.user_id,
        user_first_events.occurred_at,
        user_first_events.delivery_number
    from user_first_events
    cross join first_time_definitions
    where first_time_definitions.entry_event is null
),

first_of_name as (
    select
        first_time_definitions.definition,
        events.source,
        events.user_id,
        events.occurred_at,
        events.delivery_number
    -- Named here and below: the engine keeps all of a step that is read twice.
    from {{ ref('fct_events') }} as events
    inner join first_time_definitions on events.event_name = first_time_definitions.entry_event
    qualify row_number() over (
        partition by first_time_definitions.definition, events.source, events.user_id
        order by events.occurred_at asc, events.delivery_number asc
    ) = 1
),

first_entries as (
    select * from first_of_any
    union all
    select * from first_of_name
),

first_members as (
    select
        definitions.definition,
        first_entries.source,
        definitions.cohort_grain,
        {{ period_start_of('definitions.cohort_grain', reporting_date('first_entries.occurred_at')) }} as cohort_date,
        first_entries.user_id,
        first_entries.occurred_at as entered_at,
        first_entries.delivery_number
    from first_entries
    inner join definitions on first_entries.definition = definitions.definition
),

-- Recurring: an entry in every period with an entry event, with the first of it.
recurring_entries as (
    select
        definitions.definition,
        events.source,
        definitions.cohort_grain,
        {{ period_start_of('definitions.cohort_grain', reporting_date('events.occurred_at')) }} as cohort_date,
        events.user_id,
        events.occurred_at as entered_at,
        events.delivery_number
    from {{ ref('fct_events') }} as events
    inner join definitions
        on
            definitions.cohort_mode = 'recurring'
            and coalesce(definitions.entry_event, events.event_name) = events.event_name
),

recurring_members as (
    select *
    from recurring_entries
    qualify row_number() over (
        partition by definition, source, cohort_grain, cohort_date, user_id
        order by entered_at asc, delivery_number asc
    ) = 1
)

select * from first_members
union all
select * from recurring_members
