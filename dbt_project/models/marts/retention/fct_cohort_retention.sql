with members as (
    select * from {{ ref('int_cohort_members') }}
),

returns as (
    select * from {{ ref('int_cohort_returns') }}
),

log_spans as (
    select * from {{ ref('int_log_spans') }}
),
{% if var('retention_period_mode') == 'rolling' %}
log_ends as (
    select
        source,
        max(occurred_at) as last_event_at
    from {{ ref('fct_events') }}
    group by 1
),
{% endif %}
cohorts as (
    select
        source,
        cohort_grain,
        cohort_date,
        cast(sum(members_count) as bigint) as cohort_size,
        cast(sum(same_period_return_count) as bigint) as same_period_return_count,
        min(first_entered_at) as first_entered_at,
        max(last_entered_at) as last_entered_at
    from members
    group by 1, 2, 3
),

-- From the entry to the log's end, and how many of those periods are over for every member.
spans as (
    select
        cohorts.*,
        {% if var('retention_period_mode') == 'rolling' -%}
        {{ rolling_period('cohorts.last_entered_at', 'log_ends.last_event_at', 'cohorts.cohort_grain') }} as periods_over,
        {{ rolling_period('cohorts.first_entered_at', 'log_ends.last_event_at', 'cohorts.cohort_grain') }}
            as last_period_index
        {%- else -%}
            {{ period_number_of('cohorts.cohort_grain', 'log_spans.first_open_date') }}
            - {{ period_number_of('cohorts.cohort_grain', 'cohorts.cohort_date') }} as periods_over,
            {{ period_number_of('cohorts.cohort_grain', 'log_spans.last_active_date') }}
            - {{ period_number_of('cohorts.cohort_grain', 'cohorts.cohort_date') }} as last_period_index
        {%- endif %}
    from cohorts
    inner join log_spans on cohorts.source = log_spans.source
    {%- if var('retention_period_mode') == 'rolling' %}
    inner join log_ends on cohorts.source = log_ends.source
    {%- endif %}
),

-- Every cohort has every period, returns or not.
cells as (
    select
        *,
        {{ explode_list(number_list('0', 'last_period_index')) }} as period_index
    from spans
),

leavers as (
    select
        source,
        cohort_grain,
        cohort_date,
        last_period_index + 1 as period_index,
        cast(sum(members_count) as bigint) as leavers_count
    from members
    group by 1, 2, 3, 4
),

filled as (
    select
        cells.*,
        coalesce(returns.active_count, 0) as active_count,
        cells.cohort_size - cast(sum(coalesce(leavers.leavers_count, 0)) over (
            partition by cells.source, cells.cohort_grain, cells.cohort_date
            order by cells.period_index asc
            rows between unbounded preceding and current row
        ) as bigint) as active_on_or_after_count,
        cells.period_index < cells.periods_over as is_complete
    from cells
    left join returns
        on
            cells.source = returns.source
            and cells.cohort_grain = returns.cohort_grain
            and cells.cohort_date = returns.cohort_date
            and cells.period_index = returns.period_index
    left join leavers
        on
            cells.source = leavers.source
            and cells.cohort_grain = leavers.cohort_grain
            and cells.cohort_date = leavers.cohort_date
            and cells.period_index = leavers.period_index
)

-- A window that is still open is null, not low; but whoever entered was there in period 0, open or not.
select
    source,
    cohort_grain,
    cohort_date,
    cast(period_index as integer) as period_index,
    cohort_size,
    case when period_index = 0 then cohort_size when is_complete then active_count end as active_count,
    case when period_index = 0 or is_complete then active_on_or_after_count end as active_on_or_after_count,
    case when period_index = 0 and is_complete then same_period_return_count end as same_period_return_count,
    is_complete
from filled
