-- A feature row whose outcome is known before its own moment would have its label among its features; and a label is
-- never said to be known before its outcome is.
select
    views.event_id,
    features.as_of,
    views.outcome_known_at,
    features.label_known_at
from {{ ref('feat_next_episode') }} as features
inner join {{ ref('fct_episode_views') }} as views on features.event_id = views.event_id
where views.outcome_known_at < features.as_of or features.label_known_at < views.outcome_known_at
