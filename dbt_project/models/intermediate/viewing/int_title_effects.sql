{{ config(materialized='table') }}

with expectations as (
    select * from {{ ref('int_view_expectations') }}
),

views as (
    select * from {{ ref('fct_episode_views') }}
),

surprises as (
    select
        anime_id,
        first_reported_at,
        closed_at,
        {{ surprises('first_expected', 'closed_expected') | indent(8) }}
    from expectations
),

reports as (
    select
        anime_id,
        first_reported_at as occurred_at,
        first_surprise as surprise,
        first_information as information,
        cast(null as double) as log_unwatched
    from surprises
    union all
    select
        anime_id,
        closed_at as occurred_at,
        closed_surprise - first_surprise as surprise,
        closed_information - first_information as information,
        cast(null as double) as log_unwatched
    from surprises
    union all
    select
        anime_id,
        ended_at as occurred_at,
        0 as surprise,
        0 as information,
        {{ log_unwatched('completion') }} as log_unwatched
    from views
),

daily as (
    select
        anime_id,
        cast(occurred_at as date) as history_date,
        {{ settled('sum(surprise)') }} as surprise,
        {{ settled('sum(information)') }} as information,
        {{ settled('sum(log_unwatched)') }} as log_unwatched,
        count(log_unwatched) as views_count,
        max(occurred_at) as latest_seen_at
    from reports
    group by anime_id, cast(occurred_at as date)
),

daily_all as (
    select
        history_date,
        {{ settled('sum(log_unwatched)') }} as log_unwatched,
        sum(views_count) as views_count
    from daily
    group by history_date
),

everyone as (
    select
        history_date,
        {{ settled('sum(log_unwatched) over all_so_far') }}
        / nullif(sum(views_count) over all_so_far, 0) as mean_log_unwatched
    from daily_all
    window all_so_far as (
        order by history_date asc
        rows between unbounded preceding and 1 preceding
    )
),

accumulated as (
    select
        anime_id,
        history_date,
        {{ settled('sum(surprise) over title_so_far') }} as surprise,
        {{ settled('sum(information) over title_so_far') }} as information,
        {{ settled('sum(log_unwatched) over title_so_far') }} as log_unwatched,
        sum(views_count) over title_so_far as views_count,
        max(latest_seen_at) over title_so_far as latest_seen_at
    from daily
    window title_so_far as (
        partition by anime_id
        order by history_date asc
        rows between unbounded preceding and 1 preceding
    )
)

select
    accumulated.anime_id,
    accumulated.history_date,
    {{ settled(shrunken_effect('accumulated.surprise', 'accumulated.information')) }} as title_effect,
    {{ settled(shrunken_mean('accumulated.log_unwatched', 'accumulated.views_count', 'everyone.mean_log_unwatched')) }}
        as title_mean_log_unwatched,
    accumulated.latest_seen_at
from accumulated
inner join everyone on accumulated.history_date = everyone.history_date
