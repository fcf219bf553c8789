-- Nothing in a row is of after its third event or beyond what it counts, and its label is known when it says so.
select
    session_key,
    as_of,
    label_known_at
from {{ ref('feat_session_conversion') }}
where
    as_of < started_at
    or label_known_at <= as_of
    or (label is null) <> (label_known_at is null)
    or seconds_since_previous_event > seconds_since_start
    or greatest(event_names_count, item_events_count) > {{ var('conversion_first_events') }}
    or items_count > item_events_count
    or user_converted_sessions_count > user_sessions_count
    or user_conversion_rate not between 0 and 1
    or user_days_since_previous_session < 0
    or (user_sessions_count = 0) <> (user_days_since_previous_session is null)
