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
    tastes.taste_match
from views
inner join splits on views.event_id = splits.event_id
inner join viewer_histories on views.event_id = viewer_histories.event_id
inner join title_histories
    on views.anime_id = title_histories.anime_id and cast(views.ended_at as date) = title_histories.history_date
inner join run_histories on views.event_id = run_histories.event_id
left join tastes on views.user_id = tastes.user_id and views.anime_id = tastes.anime_id
left join titles on views.anime_id = titles.anime_id
left join viewers on views.user_id = viewers.user_id
