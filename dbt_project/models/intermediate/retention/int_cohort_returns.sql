{%- if retention_is_plain() -%}
    with user_days as (
        select
            *,
            {{ days_since_previous('history_28') }} as gap_days
        from {{ ref('fct_user_days') }}
    ),

    -- The 28 bits don't reach back from the last days of a long month to its first ones.
    late_in_month as (
        select
            source,
            user_id,
            activity_date
        from user_days
        where history_28 = 1 and day_number > 27 and day(activity_date) > 28
    ),

    also_early_in_month as (
        select
            late_in_month.source,
            late_in_month.user_id,
            late_in_month.activity_date
        from late_in_month
        inner join user_days on late_in_month.source = user_days.source and late_in_month.user_id = user_days.user_id
        where
            day(user_days.activity_date) < 4
            and {{ period_number('month', 'user_days.activity_date') }}
            = {{ period_number('month', 'late_in_month.activity_date') }}
        group by 1, 2, 3
    ),

    -- A user counts once a week or month: on the first active day in it.
    by_days as (
        select
            source,
            first_active_date,
            activity_date,
            count(*) as day_count,
            count(*) filter (where coalesce(gap_days, 28) >= {{ iso_weekday('activity_date') }}) as week_count,
            count(*) filter (where coalesce(gap_days, 31) >= day(activity_date)) as month_count
        from user_days
        group by 1, 2, 3
    ),

    counted_twice as (
        select
            also_early_in_month.source,
            user_days.first_active_date,
            also_early_in_month.activity_date,
            0 as day_count,
            0 as week_count,
            -count(*) as month_count
        from also_early_in_month
        inner join user_days
            on
                also_early_in_month.source = user_days.source
                and also_early_in_month.user_id = user_days.user_id
                and also_early_in_month.activity_date = user_days.activity_date
        group by 1, 2, 3
    ),

    counted as (
        select * from by_days
        union all
        select * from counted_twice
    ),

    returns as (
        {%- for grain in ['day', 'week', 'month'] %}
            select
                source,
                '{{ grain }}' as cohort_grain,
                {{ period_start(grain, 'first_active_date') }} as cohort_date,
                {{ period_number(grain, 'activity_date') }}
                - {{ period_number(grain, 'first_active_date') }} as period_index,
                cast(sum({{ grain }}_count) as bigint) as active_count
            from counted
            group by 1, 2, 3, 4
            {% if not loop.last %}union all{% endif %}
        {%- endfor %}
    )

    select * from returns
{%- else -%}
with returns as (
    select * from {{ ref('int_cohort_entry_returns') }}
)

select
    source,
    cohort_grain,
    cohort_date,
    period_index,
    count(*) as active_count
from returns
group by 1, 2, 3, 4
{%- endif %}
