{#- Titles that the viewer had begun when this view ended, its own among them. -#}
{%- set titles_begun -%}
    (viewer_histories.user_titles_count + case when run_histories.run_views_count = 0 then 1 else 0 end)
{%- endset -%}
with views as (
    select * from {{ ref('fct_episode_views') }}
),

viewer_histories as (
    select * from {{ ref('int_viewer_histories') }}
),

run_histories as (
    select * from {{ ref('int_run_histories') }}
),

title_histories as (
    select * from {{ ref('int_title_histories') }}
),

viewer_effects as (
    select * from {{ ref('int_viewer_effects') }}
),

title_effects as (
    select * from {{ ref('int_title_effects') }}
),

tastes as (
    select * from {{ ref('int_title_runs_taste') }}
),

splits as (
    select * from {{ ref('int_next_episode_splits') }}
),

titles as (
    select * from {{ ref('dim_anime') }}
),

viewers as (
    select * from {{ ref('stg_viewing__viewers') }}
)

select
    views.event_id,
    views.user_id,
    views.anime_id,
    views.ended_at as as_of,
    case
        when views.has_continued is not null
            then greatest(
                views.window_ends_at, views.ended_at, coalesce(views.next_episode_ended_at, views.ended_at)
            )
    end as label_known_at,
    views.has_continued as label,
    splits.split,
    views.episode_number,
    views.episodes_total,
    views.episodes_total - views.episode_number as episodes_remaining,
    views.episode_number / views.episodes_total as episode_share,
    views.episode_seconds,
    cast(hour(views.started_at) as integer) as hour_of_day,
    {{ iso_weekday('views.started_at') }} >= 6 as is_weekend,
    views.device,
    views.completion,
    viewers.acquisition_channel,
    {{ seconds_between('viewers.signed_up_at', 'views.started_at') }} / 86400 as user_days_since_sign_up,
    viewer_histories.user_views_count,
    viewer_histories.user_titles_count,
    viewer_histories.user_known_outcomes_count,
    viewer_histories.user_known_continued_count,
    viewer_histories.user_continuation_rate,
    viewer_histories.user_mean_completion,
    viewer_effects.user_effect,
    viewer_effects.user_log_unwatched_effect,
    (viewer_histories.user_views_count + 1) / {{ titles_begun }} as user_views_per_title,
    ln(
        ({{ titles_begun }} + {{ var('start_prior_titles') }})
        / (
            greatest({{ seconds_between('viewers.signed_up_at', 'views.ended_at') }} / 86400, 0)
            + {{ var('start_prior_days') }}
        )
    ) as user_log_start_rate,
    {{ hours_of_pause('viewer_histories.user_previous_ended_at', 'views.started_at') }}
        as user_hours_since_previous_view,
    run_histories.run_views_count,
    run_histories.run_mean_completion,
    {{ hours_of_pause('run_histories.run_previous_ended_at', 'views.started_at') }} as run_hours_since_previous_view,
    titles.anime_type,
    titles.score as title_score,
    title_histories.title_views_count,
    title_histories.title_known_outcomes_count,
    title_histories.title_continuation_rate,
    title_effects.title_effect,
    title_effects.title_mean_log_unwatched,
    tastes.taste_match
from views
inner join splits on views.event_id = splits.event_id
inner join viewer_histories on views.event_id = viewer_histories.event_id
inner join title_histories
    on views.anime_id = title_histories.anime_id and cast(views.ended_at as date) = title_histories.history_date
inner join viewer_effects on views.event_id = viewer_effects.event_id
inner join title_effects
    on views.anime_id = title_effects.anime_id and cast(views.ended_at as date) = title_effects.history_date
inner join run_histories on views.event_id = run_histories.event_id
left join tastes on views.user_id = tastes.user_id and views.anime_id = tastes.anime_id
left join titles on views.anime_id = titles.anime_id
left join viewers on views.user_id = viewers.user_id
