with timeline as (
    select * from {{ ref('int_view_timeline') }}
),

accumulated as (
    select
        event_id,
        moment,
        sum(is_watched) over viewer_so_far as user_views_count,
        sum(is_run_start) over viewer_so_far as user_titles_count,
        sum(completion) over viewer_so_far as user_completion_sum,
        sum(is_known) over viewer_so_far as user_known_outcomes_count,
        sum(is_continued) over viewer_so_far as user_known_continued_count,
        max(case when moment = 'watched' then occurred_at end) over viewer_so_far as user_previous_ended_at,
        sum(is_watched) over title_so_far as title_views_count,
        sum(is_known) over title_so_far as title_known_outcomes_count,
        sum(is_continued) over title_so_far as title_known_continued_count
    from timeline
    window
        viewer_so_far as ({{ before('user_id') }}),
        title_so_far as ({{ before('anime_id') }})
)

select
    event_id,
    cast(coalesce(user_views_count, 0) as bigint) as user_views_count,
    cast(coalesce(user_titles_count, 0) as bigint) as user_titles_count,
    cast(coalesce(user_known_outcomes_count, 0) as bigint) as user_known_outcomes_count,
    cast(coalesce(user_known_continued_count, 0) as bigint) as user_known_continued_count,
    user_known_continued_count / nullif(user_known_outcomes_count, 0) as user_continuation_rate,
    user_completion_sum / nullif(user_views_count, 0) as user_mean_completion,
    user_previous_ended_at,
    cast(coalesce(title_views_count, 0) as bigint) as title_views_count,
    cast(coalesce(title_known_outcomes_count, 0) as bigint) as title_known_outcomes_count,
    title_known_continued_count / nullif(title_known_outcomes_count, 0) as title_continuation_rate
from accumulated
where moment = 'watched'
