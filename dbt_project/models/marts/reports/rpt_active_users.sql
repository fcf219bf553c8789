with lifecycle as (
    select
        *,
        max(activity_date) over (partition by source) as last_date
    from {{ ref('rpt_lifecycle') }}
    where is_complete
),

recent as (
    select * from lifecycle
    where {{ days_between('activity_date', 'last_date') }} < {{ var('recent_days') }}
),

measures as (
    select
        source,
        activity_date,
        1 as measure_order,
        'DAU: on the day' as measure,
        dau as users_count
    from recent
    union all
    select
        source,
        activity_date,
        2 as measure_order,
        'WAU: within 7 days' as measure,
        wau as users_count
    from recent
    union all
    select
        source,
        activity_date,
        3 as measure_order,
        'MAU: within 28 days' as measure,
        mau as users_count
    from recent
)

select * from measures
