{%- set horizon = var('churn_horizon_days') -%}
with lifetimes as (
    select * from {{ ref('int_user_lifetimes') }}
),

log_spans as (
    select * from {{ ref('int_log_spans') }}
),

segments as (
    select * from {{ ref('int_user_segments') }}
),

views as (
    select * from {{ ref('fct_episode_views') }}
    where not is_rewatch
),

-- Whether a last active day was the last can be told up to the horizon before the log's end. Whoever was seen after it
-- is censored there, not on the day last seen: else the risk counts on where no event can, and churn comes out low.
ends as (
    select
        lifetimes.source,
        lifetimes.user_id,
        lifetimes.first_active_date,
        lifetimes.last_active_date,
        log_spans.first_open_date + (-{{ horizon + 1 }}) as last_known_date
    from lifetimes
    inner join log_spans on lifetimes.source = log_spans.source
),

users as (
    select
        source,
        user_id,
        first_active_date,
        cast(case
            when last_active_date <= last_known_date
                then {{ days_between('first_active_date', 'last_active_date') }}
            else {{ days_between('first_active_date', 'last_known_date') }}
        end as integer) as duration,
        last_active_date <= last_known_date as has_ended
    from ends
    where first_active_date <= last_known_date
),

-- Few pairs of segment and duration, however many users.
by_user_segment as (
    select
        users.source,
        segments.segment_name,
        segments.segment_value,
        users.duration,
        count(*) filter (where users.has_ended) as ended_count,
        count(*) filter (where not users.has_ended) as censored_count
    from users
    inner join segments on users.source = segments.source and users.user_id = segments.user_id
    group by 1, 2, 3, 4
),

by_cohort as (
    select
        source,
        'cohort' as segment_name,
        cast({{ period_start('month', 'first_active_date') }} as string) as segment_value,
        duration,
        count(*) filter (where has_ended) as ended_count,
        count(*) filter (where not has_ended) as censored_count
    from users
    group by 1, 2, 3, 4
),

over_all as (
    select
        source,
        'all' as segment_name,
        'all' as segment_value,
        duration,
        cast(sum(ended_count) as bigint) as ended_count,
        cast(sum(censored_count) as bigint) as censored_count
    from by_cohort
    group by 1, 2, 3, 4
),

-- A viewer's way through a title, as in fct_retention_by_episode: up to the first episode that was not continued. Were
-- the deepest one asked instead, the quick would pass for known while the others' windows are still open.
title_runs as (
    select
        anime_id,
        episode_number,
        outcome
    from views
    where outcome <> 'continued'
    qualify row_number() over (partition by user_id, anime_id order by episode_number asc) = 1
),

begun_titles as (
    select
        anime_id,
        count(*) as runs_count
    from title_runs
    group by 1
),

popular_titles as (
    select anime_id
    from begun_titles
    qualify row_number() over (order by runs_count desc, anime_id asc) <= {{ var('survival_titles_limit') }}
),

-- The step from that episode ends the run if the viewer stopped there; if its outcome can't be known, the viewer was
-- last under observation at the step before.
by_title as (
    select
        'viewing' as source,
        'title' as segment_name,
        title_runs.anime_id as segment_value,
        title_runs.episode_number - case when title_runs.outcome = 'stopped' then 0 else 1 end as duration,
        count(*) filter (where title_runs.outcome = 'stopped') as ended_count,
        count(*) filter (where title_runs.outcome <> 'stopped') as censored_count
    from title_runs
    inner join popular_titles on title_runs.anime_id = popular_titles.anime_id
    group by 1, 2, 3, 4
)

select
    'time_to_churn' as curve,
    *
from over_all
union all
select
    'time_to_churn' as curve,
    *
from by_cohort
union all
select
    'time_to_churn' as curve,
    *
from by_user_segment
union all
select
    'depth' as curve,
    *
from by_title
