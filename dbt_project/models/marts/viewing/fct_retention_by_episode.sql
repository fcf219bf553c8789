with views as (
    select * from {{ ref('fct_episode_views') }}
    where not is_rewatch
),

by_title as (
    select
        'title' as scope,
        anime_id,
        episode_number,
        count(*) as reached_count,
        count(*) filter (where outcome = 'continued') as continued_count,
        count(*) filter (where outcome = 'stopped') as stopped_count,
        count(*) filter (where outcome in ('open', 'finished')) as censored_count
    from views
    group by anime_id, episode_number
),

over_all_titles as (
    select
        'all' as scope,
        cast(null as string) as anime_id,
        episode_number,
        cast(sum(reached_count) as bigint) as reached_count,
        cast(sum(continued_count) as bigint) as continued_count,
        cast(sum(stopped_count) as bigint) as stopped_count,
        cast(sum(censored_count) as bigint) as censored_count
    from by_title
    group by episode_number
),

counted as (
    select * from over_all_titles
    union all
    select * from by_title
),

-- At risk are those whose outcome can be known. A view that is the title's last, or whose window is open, tells
-- nothing of the step from this episode to the next: counted in, it would pass for a continuation.
with_risk as (
    select
        *,
        continued_count + stopped_count as at_risk_count,
        continued_count / nullif(continued_count + stopped_count, 0) as continuation_rate,
        stopped_count / nullif((continued_count + stopped_count) * continued_count, 0) as greenwood_term
    from counted
),

accumulated as (
    select
        *,
        -- The product of the rates so far; a rate of zero has no logarithm and ends the curve at zero.
        case
            when min(continuation_rate) over episodes_so_far = 0 then 0
            else exp(sum(ln(nullif(continuation_rate, 0))) over episodes_so_far)
        end as survival_so_far,
        sum(greenwood_term) over episodes_so_far as greenwood_sum
    from with_risk
    window episodes_so_far as (
        partition by scope, anime_id
        order by episode_number asc
        rows between unbounded preceding and current row
    )
)

select
    scope,
    anime_id,
    episode_number,
    reached_count,
    at_risk_count,
    continued_count,
    stopped_count,
    censored_count,
    -- Past an episode at which nobody's outcome is known the curve is unknown, not flat.
    case when at_risk_count > 0 then survival_so_far end as survival,
    case when at_risk_count > 0 then greenwood_sum end as greenwood_sum
from accumulated
