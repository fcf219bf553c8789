with by_day as (
    select * from {{ ref('int_cohort_returns_by_day') }}
),

by_event as (
    select * from {{ ref('int_cohort_returns_by_event') }}
)

select * from by_day
union all
select * from by_event
