{{ config(materialized='table') }}

with views as (
    select * from {{ ref('fct_episode_views') }}
),

user_days as (
    select * from {{ ref('fct_user_days') }}
    where source = 'viewing'
),

churn as (
    select * from {{ ref('fct_user_churn') }}
    where source = 'viewing' and is_churned is not null
),

survival as (
    select * from {{ ref('fct_survival') }}
    where source = 'viewing' and curve = 'time_to_churn' and segment_name = 'all'
),

by_episode as (
    select * from {{ ref('rpt_retention_by_episode') }}
),

churn_rates as (
    select * from {{ ref('rpt_user_churn') }}
    where source = 'viewing' and is_complete
),

retention as (
    select * from {{ ref('rpt_overall_retention') }}
    where definition = 'any_event' and cohort_grain = 'day' and members_count >= {{ var('minimum_at_risk') }}
),

events as (
    select * from {{ ref('fct_events') }}
    where is_own_session
),

true_viewers as (
    select * from {{ ref('stg_truth__viewers') }}
),

true_choices as (
    select * from {{ ref('stg_truth__episode_choices') }}
),

true_retention as (
    select * from {{ ref('stg_truth__retention') }}
),

true_personas as (
    select * from {{ ref('stg_truth__personas') }}
),

true_transitions as (
    select * from {{ ref('stg_truth__persona_transitions') }}
),

-- The true rate of the very views that the estimate counts: the mean of the probabilities they were drawn with.
true_continuations as (
    select
        views.episode_number,
        {{ settled('avg(true_choices.p_continue)') }} as true_value
    from views
    inner join true_choices on views.event_id = true_choices.event_id
    where not views.is_rewatch and views.has_continued is not null
    group by views.episode_number
),

continuations as (
    select
        'viewing' as source,
        'continuation' as quantity,
        'all' as segment,
        concat_ws(' ', 'episode', cast(by_episode.episode_number as string)) as step,
        by_episode.episode_number as step_order,
        by_episode.at_risk_count as trials_count,
        by_episode.continuation_rate as estimate,
        by_episode.continuation_rate_low as estimate_low,
        by_episode.continuation_rate_high as estimate_high,
        true_continuations.true_value,
        true as is_same_quantity
    from by_episode
    inner join true_continuations on by_episode.episode_number = true_continuations.episode_number
),

-- A constant hazard has no memory: from the first view on, too, it is the share still there after so many days.
first_days as (
    select
        user_id,
        min(first_active_date) as first_active_date
    from user_days
    group by user_id
),

fortnights as (
    select {{ explode_list(number_list('1', '12')) }} as fortnights_count
),

horizons as (
    select fortnights_count * 14 as days_count
    from fortnights
),

true_survival as (
    select
        horizons.days_count,
        {{ settled('avg(exp(-true_viewers.leave_hazard_per_day * horizons.days_count))') }} as true_value
    from true_viewers
    inner join first_days on cast(true_viewers.user_id as string) = first_days.user_id
    cross join horizons
    group by horizons.days_count
),

survival_steps as (
    select
        horizons.days_count,
        max(survival.time) as last_time,
        max(survival.at_risk_count) as members_count
    from survival
    inner join horizons on survival.time <= horizons.days_count
    group by horizons.days_count
),

last_times as (
    select max(time) as last_time
    from survival
    where at_risk_count >= {{ var('minimum_at_risk') }}
),

stays as (
    select
        'viewing' as source,
        'survival' as quantity,
        'all' as segment,
        concat_ws(' ', 'day', cast(true_survival.days_count as string)) as step,
        true_survival.days_count as step_order,
        survival_steps.members_count as trials_count,
        survival.survival as estimate,
        survival.survival_low as estimate_low,
        survival.survival_high as estimate_high,
        true_survival.true_value,
        false as is_same_quantity
    from true_survival
    inner join survival_steps on true_survival.days_count = survival_steps.days_count
    inner join survival on survival_steps.last_time = survival.time
    inner join last_times on true_survival.days_count <= last_times.last_time
),

true_leavers as (
    select
        churn.as_of_date,
        count(*) filter (
            where true_viewers.leaves_at
            < {{ reporting_day_start('(churn.as_of_date + ' ~ var('churn_horizon_days') ~ ')') }}
        ) / count(*) as true_value
    from churn
    inner join true_viewers on churn.user_id = cast(true_viewers.user_id as string)
    group by churn.as_of_date
),

leavers as (
    select
        'viewing' as source,
        'user_churn' as quantity,
        'all' as segment,
        concat_ws(' ', 'as of', cast(churn_rates.as_of_date as string)) as step,
        row_number() over (order by churn_rates.as_of_date asc) as step_order,
        churn_rates.at_risk_count as trials_count,
        churn_rates.churn_rate as estimate,
        churn_rates.churn_rate_low as estimate_low,
        churn_rates.churn_rate_high as estimate_high,
        true_leavers.true_value,
        false as is_same_quantity
    from churn_rates
    inner join true_leavers on churn_rates.as_of_date = true_leavers.as_of_date
),

returns as (
    select
        retention.source,
        'retention' as quantity,
        'all' as segment,
        concat_ws(' ', 'day', cast(retention.period_index as string)) as step,
        retention.period_index as step_order,
        retention.members_count as trials_count,
        retention.retention_rate as estimate,
        retention.retention_rate_low as estimate_low,
        retention.retention_rate_high as estimate_high,
        true_retention.probability as true_value,
        true as is_same_quantity
    from retention
    inner join true_retention
        on retention.source = true_retention.source and retention.period_index = true_retention.days_since_first
),

-- Each event with the one before it in its session; a session's first comes from (start), its last goes to (end).
ordered_events as (
    select
        events.source,
        true_personas.persona,
        events.event_name,
        coalesce(lag(events.event_name) over in_session, '(start)') as from_event,
        lead(events.event_name) over in_session is null as is_last
    from events
    inner join true_personas on events.source = true_personas.source and events.user_id = true_personas.user_id
    window in_session as (
        partition by events.source, events.user_id, events.session_id
        order by events.event_number asc
    )
),

observed_pairs as (
    select
        source,
        persona,
        from_event,
        event_name as to_event
    from ordered_events
    union all
    select
        source,
        persona,
        event_name as from_event,
        '(end)' as to_event
    from ordered_events
    where is_last
),

pair_counts as (
    select
        source,
        persona,
        from_event,
        to_event,
        count(*) as pairs_count
    from observed_pairs
    group by source, persona, from_event, to_event
),

from_counts as (
    select
        source,
        persona,
        from_event,
        cast(sum(pairs_count) as bigint) as from_count
    from pair_counts
    group by source, persona, from_event
),

true_pairs as (
    select
        true_transitions.source,
        true_transitions.persona,
        true_transitions.from_event,
        true_transitions.to_event,
        true_transitions.probability,
        from_counts.from_count,
        coalesce(pair_counts.pairs_count, 0) as pairs_count
    from true_transitions
    inner join from_counts
        on
            true_transitions.source = from_counts.source
            and true_transitions.persona = from_counts.persona
            and true_transitions.from_event = from_counts.from_event
    left join pair_counts
        on
            true_transitions.source = pair_counts.source
            and true_transitions.persona = pair_counts.persona
            and true_transitions.from_event = pair_counts.from_event
            and true_transitions.to_event = pair_counts.to_event
    where from_counts.from_count >= {{ var('minimum_at_risk') }}
),

transitions as (
    select
        source,
        'transition' as quantity,
        persona as segment,
        concat_ws(' > ', from_event, to_event) as step,
        row_number() over (partition by source, persona order by from_event asc, to_event asc) as step_order,
        from_count as trials_count,
        pairs_count / from_count as estimate,
        {{ wilson_low('pairs_count', 'from_count') }} as estimate_low,
        {{ wilson_high('pairs_count', 'from_count') }} as estimate_high,
        probability as true_value,
        true as is_same_quantity
    from true_pairs
),

compared as (
    select * from continuations
    union all
    select * from stays
    union all
    select * from leavers
    union all
    select * from returns
    union all
    select * from transitions
)

select
    source,
    quantity,
    segment,
    step,
    cast(step_order as integer) as step_order,
    trials_count,
    estimate,
    estimate_low,
    estimate_high,
    true_value,
    estimate - true_value as error,
    -- A probability of 0 or 1 may be missed by the last bit.
    true_value between estimate_low - 1e-12 and estimate_high + 1e-12 as is_covered,
    is_same_quantity
from compared
