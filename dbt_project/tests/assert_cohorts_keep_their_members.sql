-- Cohort size is period 0, nobody is counted twice or lost between cohorts, and "on or after" never rises.
with retention as (
    select
        *,
        lag(active_on_or_after_count) over (
            partition by source, cohort_grain, cohort_date order by period_index asc
        ) as previous_on_or_after_count
    from {{ ref('fct_cohort_retention') }}
)

select * from retention
where
    active_count > cohort_size
    or active_on_or_after_count < active_count
    or active_on_or_after_count > previous_on_or_after_count
    or (period_index = 0 and active_count is distinct from cohort_size)
    or (is_complete and (active_count is null or active_on_or_after_count is null))
    or (period_index > 0 and not is_complete and active_count is not null)
