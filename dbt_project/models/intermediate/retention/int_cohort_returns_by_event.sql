with definitions as (
    select * from {{ ref('stg_definitions__retention') }}
    where not is_told_by_days
),

members as (
    select * from {{ ref('int_cohort_members') }}
),

events as (
    select * from {{ ref('fct_events') }}
),

defined as (
    select
        members.*,
        definitions.return_event,
        definitions.period_mode
    from members
    inner join definitions
        on members.definition = definitions.definition and members.cohort_grain = definitions.cohort_grain
),

-- A return is any return event after the entry; the entry event itself is none.
returns as (
    select
        defined.*,
        case defined.period_mode
            when 'rolling' then {{ rolling_period('defined.entered_at', 'events.occurred_at', 'defined.cohort_grain') }}
            else
                {{ period_number_of('defined.cohort_grain', reporting_date('events.occurred_at')) }}
                - {{ period_number_of('defined.cohort_grain', 'defined.cohort_date') }}
        end as period_index
    from defined
    inner join events on defined.source = events.source and defined.user_id = events.user_id
    where
        coalesce(defined.return_event, events.event_name) = events.event_name
        and (
            events.occurred_at > defined.entered_at
            or (events.occurred_at = defined.entered_at and events.delivery_number > defined.delivery_number)
        )
),

once_a_period as (
    select distinct
        definition,
        source,
        cohort_grain,
        cohort_date,
        user_id,
        period_index
    from returns
)

select
    *,
    lag(period_index) over (
        partition by definition, source, cohort_grain, cohort_date, user_id order by period_index asc
    ) as previous_period_index
from once_a_period
