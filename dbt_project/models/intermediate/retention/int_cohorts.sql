with definitions as (
    select * from {{ ref('stg_definitions__retention') }}
),

members as (
    select * from {{ ref('int_cohort_members') }}
),

log_spans as (
    select * from {{ ref('int_log_spans') }}
),

cohorts as (
    select
        definition,
        source,
        cohort_grain,
        cohort_date,
        count(*) as cohort_size,
        min(entered_at) as first_entered_at,
        max(entered_at) as last_entered_at
    from members
    group by definition, source, cohort_grain, cohort_date
),

-- How many periods there are from the entry to the log's end, and how many of them are over for every member.
spans as (
    select
        cohorts.definition,
        cohorts.source,
        cohorts.cohort_grain,
        cohorts.cohort_date,
        cohorts.cohort_size,
        definitions.periods_kept,
        definitions.follow_up_periods,
        case definitions.period_mode
            when 'rolling'
                then {{ rolling_period('cohorts.last_entered_at', 'log_spans.last_event_at', 'cohorts.cohort_grain') }}
            else
                {{ period_number_of('cohorts.cohort_grain', 'log_spans.first_open_date') }}
                - {{ period_number_of('cohorts.cohort_grain', 'cohorts.cohort_date') }}
        end as periods_over,
        case definitions.period_mode
            when 'rolling'
                then {{ rolling_period('cohorts.first_entered_at', 'log_spans.last_event_at', 'cohorts.cohort_grain') }}
            else
                {{ period_number_of('cohorts.cohort_grain', 'log_spans.last_active_date') }}
                - {{ period_number_of('cohorts.cohort_grain', 'cohorts.cohort_date') }}
        end as last_period_index
    from cohorts
    inner join log_spans on cohorts.source = log_spans.source
    inner join definitions
        on cohorts.definition = definitions.definition and cohorts.cohort_grain = definitions.cohort_grain
)

select * from spans
