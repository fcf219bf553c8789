{#- Any event of first-time users by calendar periods is in the user-days; anything else is read from the events. -#}
{%- if retention_is_plain() -%}
    with lifetimes as (
        select * from {{ ref('int_user_lifetimes') }}
    ),

    -- Few pairs of days, however many users: weeks and months are summed up from them.
    by_days as (
        select
            source,
            first_active_date,
            last_active_date,
            count(*) as members_count,
            count(*) filter (where first_day_events_count > 1) as day_count,
            count(*) filter (where first_week_events_count > 1) as week_count,
            count(*) filter (where first_month_events_count > 1) as month_count
        from lifetimes
        group by 1, 2, 3
    ),

    members as (
        {%- for grain in ['day', 'week', 'month'] %}
            select
                source,
                '{{ grain }}' as cohort_grain,
                {{ period_start(grain, 'first_active_date') }} as cohort_date,
                {{ period_number(grain, 'last_active_date') }}
                - {{ period_number(grain, 'first_active_date') }} as last_period_index,
                cast(sum(members_count) as bigint) as members_count,
                cast(sum({{ grain }}_count) as bigint) as same_period_return_count,
                cast(null as timestamp) as first_entered_at,
                cast(null as timestamp) as last_entered_at
            from by_days
            group by 1, 2, 3, 4
            {% if not loop.last %}union all{% endif %}
        {%- endfor %}
    )

    select * from members
{%- else -%}
with entries as (
    select * from {{ ref('int_cohort_entries') }}
),

returns as (
    select
        source,
        cohort_grain,
        cohort_date,
        user_id,
        max(period_index) as last_period_index,
        min(period_index) = 0 as has_same_period_return
    from {{ ref('int_cohort_entry_returns') }}
    group by 1, 2, 3, 4
),

members as (
    select
        entries.source,
        entries.cohort_grain,
        entries.cohort_date,
        coalesce(returns.last_period_index, 0) as last_period_index,
        count(*) as members_count,
        count(*) filter (where returns.has_same_period_return) as same_period_return_count,
        min(entries.entered_at) as first_entered_at,
        max(entries.entered_at) as last_entered_at
    from entries
    left join returns
        on
            entries.source = returns.source
            and entries.cohort_grain = returns.cohort_grain
            and entries.cohort_date = returns.cohort_date
            and entries.user_id = returns.user_id
    group by 1, 2, 3, 4
)

select * from members
{%- endif %}
