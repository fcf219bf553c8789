-- Cohort size is period 0, nobody is counted twice, and whoever is active in a period is so "on or after" it.
with retention as (
    select * from {{ ref('fct_cohort_retention') }}
)

select * from retention
where
    active_count > cohort_size
    or active_on_or_after_count > cohort_size
    or active_on_or_after_count < active_count
    or (period_index = 0 and active_count is distinct from cohort_size)
    or (is_complete and active_count is null)
    or (period_index > 0 and not is_complete and coalesce(active_count, active_on_or_after_count) is not null)
