with goals as (
    select
        source,
        user_id,
        min(occurred_at) as reached_at
    from {{ ref('fct_events') }}
    where {{ is_conversion('event_name') }}
    group by source, user_id, is_own_session, session_id
),

sources_with_goals as (
    select distinct source from goals
),

starts as (
    select
        events.source,
        events.user_id,
        events.is_own_session,
        events.session_id,
        events.occurred_at,
        events.delivery_number
    from {{ ref('fct_events') }} as events
    inner join sources_with_goals on events.source = sources_with_goals.source
    where events.event_number = 1
),

-- A session counts from its first event, a conversion from its own moment: sessions of a log's own may lie in one
-- another, and whether one of them is over yet, nobody knows.
moments as (
    select
        source,
        user_id,
        is_own_session,
        session_id,
        occurred_at,
        delivery_number,
        0 as goals_count
    from starts
    union all
    select
        source,
        user_id,
        cast(null as boolean) as is_own_session,
        cast(null as string) as session_id,
        reached_at as occurred_at,
        0 as delivery_number,
        1 as goals_count
    from goals
),

-- What happens at the very instant of a start is not before it.
counted as (
    select
        *,
        coalesce(sum(goals_count) over earlier, 0) as converted_count,
        coalesce(sum(1 - goals_count) over earlier, 0) as sessions_count,
        max(case when goals_count = 0 then occurred_at end) over earlier as previous_started_at
    from moments
    window earlier as (
        partition by source, user_id
        order by occurred_at asc, goals_count asc, delivery_number asc
        rows between unbounded preceding and 1 preceding
    )
),

daily as (
    select
        source,
        {{ reporting_date('occurred_at') }} as activity_date,
        sum(goals_count) as goals_count,
        sum(1 - goals_count) as sessions_count
    from moments
    group by source, {{ reporting_date('occurred_at') }}
),

-- The source's rate by the midnight before.
rates as (
    select
        source,
        activity_date,
        sum(goals_count) over days_before / nullif(sum(sessions_count) over days_before, 0) as conversion_rate
    from daily
    window days_before as (
        partition by source
        order by activity_date asc
        rows between unbounded preceding and 1 preceding
    )
)

select
    counted.source,
    counted.user_id,
    counted.is_own_session,
    counted.session_id,
    counted.occurred_at as started_at,
    cast(counted.sessions_count as bigint) as user_sessions_count,
    cast(counted.converted_count as bigint) as user_converted_sessions_count,
    counted.previous_started_at,
    rates.conversion_rate as source_conversion_rate
from counted
inner join rates
    on
        counted.source = rates.source
        and {{ reporting_date('counted.occurred_at') }} = rates.activity_date
where counted.goals_count = 0
