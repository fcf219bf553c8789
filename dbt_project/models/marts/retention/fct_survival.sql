with durations as (
    select * from {{ ref('int_survival_durations') }}
),

groups as (
    select
        curve,
        source,
        segment_name,
        segment_value,
        cast(sum(ended_count + censored_count) as bigint) as members_count,
        min(duration) as first_time
    from durations
    group by 1, 2, 3, 4
),

-- Every curve starts at time 0, whether or not anything happens then.
times as (
    select * from durations
    union all
    select
        curve,
        source,
        segment_name,
        segment_value,
        0 as duration,
        0 as ended_count,
        0 as censored_count
    from groups
    where first_time > 0
),

with_risk as (
    select
        times.*,
        groups.members_count - cast(coalesce(sum(times.ended_count + times.censored_count) over (
            partition by times.curve, times.source, times.segment_name, times.segment_value
            order by times.duration asc
            rows between unbounded preceding and 1 preceding
        ), 0) as bigint) as at_risk_count
    from times
    inner join groups
        on
            times.curve = groups.curve
            and times.source = groups.source
            and times.segment_name = groups.segment_name
            and times.segment_value = groups.segment_value
),

accumulated as (
    select
        *,
        -- The product of the shares that stay; where nobody stays there is no logarithm, and the curve ends at zero.
        case
            when max(ended_count / at_risk_count) over time_so_far = 1 then 0
            else exp(sum(ln(nullif(1 - ended_count / at_risk_count, 0))) over time_so_far)
        end as survival,
        sum(ended_count / nullif(at_risk_count * (at_risk_count - ended_count), 0)) over time_so_far as greenwood_sum
    from with_risk
    window time_so_far as (
        partition by curve, source, segment_name, segment_value
        order by duration asc
        rows between unbounded preceding and current row
    )
)

select
    source,
    curve,
    segment_name,
    segment_value,
    cast(duration as integer) as time,
    at_risk_count,
    ended_count,
    censored_count,
    cast(survival as double) as survival,
    greenwood_sum,
    cast({{ survival_low('survival', 'greenwood_sum') }} as double) as survival_low,
    cast({{ survival_high('survival', 'greenwood_sum') }} as double) as survival_high
from accumulated
