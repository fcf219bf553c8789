-- Whatever a feature counts had ended, or was known, at as_of: the latest moment behind each kind of feature, carried
-- along beside it, is not after that, and no pause runs backwards.
with features as (
    select * from {{ ref('feat_next_episode') }}
)

select
    features.event_id,
    features.as_of,
    viewer_histories.latest_seen_at as viewer_seen_at,
    run_histories.run_previous_ended_at as run_seen_at,
    title_histories.latest_seen_at as title_seen_at,
    viewer_effects.latest_seen_at as viewer_effect_seen_at,
    title_effects.latest_seen_at as title_effect_seen_at,
    tastes.latest_seen_at as taste_seen_at
from features
left join {{ ref('int_viewer_histories') }} as viewer_histories on features.event_id = viewer_histories.event_id
left join {{ ref('int_run_histories') }} as run_histories on features.event_id = run_histories.event_id
left join {{ ref('int_title_histories') }} as title_histories
    on features.anime_id = title_histories.anime_id and cast(features.as_of as date) = title_histories.history_date
left join {{ ref('int_viewer_effects') }} as viewer_effects on features.event_id = viewer_effects.event_id
left join {{ ref('int_title_effects') }} as title_effects
    on features.anime_id = title_effects.anime_id and cast(features.as_of as date) = title_effects.history_date
left join {{ ref('int_title_runs_taste') }} as tastes
    on features.user_id = tastes.user_id and features.anime_id = tastes.anime_id
where
    viewer_histories.latest_seen_at > features.as_of
    or run_histories.run_previous_ended_at > features.as_of
    or title_histories.latest_seen_at >= cast(cast(features.as_of as date) as timestamp)
    or viewer_effects.latest_seen_at > features.as_of
    or title_effects.latest_seen_at >= cast(cast(features.as_of as date) as timestamp)
    or tastes.latest_seen_at > features.as_of
    or least(features.user_hours_since_previous_view, features.run_hours_since_previous_view) < 0
