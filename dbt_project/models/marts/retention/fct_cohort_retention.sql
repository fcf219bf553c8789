with definitions as (
    select * from {{ ref('stg_definitions__retention') }}
),

cohorts as (
    select * from {{ ref('int_cohorts') }}
),

returns as (
    select * from {{ ref('int_cohort_returns') }}
),

-- Every cohort has every period that is kept, returns or not.
cells as (
    select
        *,
        {{ explode_list(number_list('0', 'least(last_period_index, periods_kept)')) }} as period_index
    from cohorts
),

-- Who returns in a period is "on or after" all those before it back to their return before, as far as is followed up.
counted as (
    select
        returns.definition,
        returns.source,
        returns.cohort_grain,
        returns.cohort_date,
        returns.period_index,
        greatest(
            coalesce(returns.previous_period_index, 0) + 1, returns.period_index - definitions.follow_up_periods + 1
        ) as since_period_index,
        count(*) as users_count
    from returns
    inner join definitions
        on returns.definition = definitions.definition and returns.cohort_grain = definitions.cohort_grain
    where returns.period_index < definitions.periods_kept + definitions.follow_up_periods
    group by 1, 2, 3, 4, 5, 6
),

-- What a count changes, in three periods: in its own, whoever returns; and "on or after" from the first period it
-- counts for, until after the last. Rows, not branches of a union: Spark would find all returns anew for each branch.
stepped as (
    select
        *,
        {{ explode_list(number_list(0, 2)) }} as step
    from counted
),

changes as (
    select
        definition,
        source,
        cohort_grain,
        cohort_date,
        case step
            when 0 then period_index
            when 1 then since_period_index
            else period_index + 1
        end as period_index,
        case when step = 0 then users_count else 0 end as active_count,
        case step
            when 0 then 0
            when 1 then users_count
            else -users_count
        end as on_or_after_change
    from stepped
    where step = 0 or period_index > 0
),

changes_by_period as (
    select
        definition,
        source,
        cohort_grain,
        cohort_date,
        period_index,
        cast(sum(active_count) as bigint) as active_count,
        cast(sum(on_or_after_change) as bigint) as on_or_after_change
    from changes
    group by 1, 2, 3, 4, 5
),

filled as (
    select
        cells.*,
        coalesce(changes_by_period.active_count, 0) as active_count,
        cast(sum(coalesce(changes_by_period.on_or_after_change, 0)) over (
            partition by cells.definition, cells.source, cells.cohort_grain, cells.cohort_date
            order by cells.period_index asc
            rows between unbounded preceding and current row
        ) as bigint) as active_on_or_after_count,
        cells.period_index < cells.periods_over as is_complete,
        cells.period_index + cells.follow_up_periods <= cells.periods_over as is_followed_up
    from cells
    left join changes_by_period
        on
            cells.definition = changes_by_period.definition
            and cells.source = changes_by_period.source
            and cells.cohort_grain = changes_by_period.cohort_grain
            and cells.cohort_date = changes_by_period.cohort_date
            and cells.period_index = changes_by_period.period_index
)

-- A window that is still open is null, not low; but whoever entered was there in period 0, open or not.
select
    definition,
    source,
    cohort_grain,
    cohort_date,
    cast(period_index as integer) as period_index,
    cohort_size,
    case when period_index = 0 then cohort_size when is_complete then active_count end as active_count,
    case
        when period_index = 0 then cohort_size when is_followed_up then active_on_or_after_count
    end as active_on_or_after_count,
    case when period_index = 0 and is_complete then active_count end as same_period_return_count,
    is_complete,
    cast(greatest(last_period_index - periods_kept, 0) as integer) as periods_cut_count
from filled
