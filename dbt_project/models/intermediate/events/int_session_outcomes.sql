with openings as (
    select * from {{ ref('int_session_openings') }}
),

sessions as (
    select * from {{ ref('fct_sessions') }}
),

log_spans as (
    select * from {{ ref('int_log_spans') }}
),

-- Over is what has been silent for longer than the gap; whoever converted, too, counts from then on, or conversions
-- would be known before their absence is.
outcomes as (
    select
        openings.source,
        openings.user_id,
        openings.is_own_session,
        openings.session_id,
        openings.reached_at,
        sessions.has_converted,
        {{ add_seconds('sessions.ended_at', var('session_gap_seconds')) }} as over_at,
        log_spans.last_event_at
    from openings
    inner join sessions
        on
            openings.source = sessions.source
            and openings.user_id = sessions.user_id
            and openings.is_own_session = sessions.is_own_session
            and openings.session_id = sessions.session_id
    inner join log_spans on openings.source = log_spans.source
    where sessions.has_converted is not null
),

known as (
    select
        *,
        case when over_at < last_event_at then over_at end as known_at
    from outcomes
),

daily as (
    select
        source,
        cast(reached_at as date) as reached_date,
        count(*) as sessions_count
    from known
    where known_at is not null
    group by source, cast(reached_at as date)
),

shares as (
    select
        source,
        reached_date,
        sum(sessions_count) over (
            partition by source
            order by reached_date asc
            rows between unbounded preceding and current row
        ) / sum(sessions_count) over (partition by source) as share_so_far
    from daily
),

-- Splits change at midnight: validation starts on the day by whose end training has had its share, and so on.
boundaries as (
    select
        source,
        cast(min(reached_date) filter (
            where share_so_far >= {{ var('train_share') }}
        ) as timestamp) as validation_starts_at,
        cast(min(reached_date) filter (
            where share_so_far >= {{ var('train_share') }} + {{ var('validation_share') }}
        ) as timestamp) as test_starts_at
    from shares
    group by source
)

select
    known.source,
    known.user_id,
    known.is_own_session,
    known.session_id,
    case when known.known_at is not null then known.has_converted end as has_converted,
    known.known_at,
    {{ split_by_time(
        moment='known.reached_at',
        known_at='known.known_at',
        is_open='known.known_at is null',
        validation_starts='boundaries.validation_starts_at',
        test_starts='boundaries.test_starts_at'
    ) | indent(4) }} as split
from known
left join boundaries on known.source = boundaries.source
