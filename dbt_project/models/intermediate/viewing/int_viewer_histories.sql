with timeline as (
    select * from {{ ref('int_view_timeline') }}
),

-- Of what happens at the same instant, 'watched' comes before 'known', so that a view never counts an outcome that is
-- learnt at the very moment it is predicted, its own least of all.
accumulated as (
    select
        event_id,
        is_watched,
        sum(is_watched) over viewer_so_far as views_count,
        sum(is_run_start) over viewer_so_far as titles_count,
        sum(completion) over viewer_so_far as completion_sum,
        sum(is_known) over viewer_so_far as known_outcomes_count,
        sum(is_continued) over viewer_so_far as known_continued_count
    from timeline
    window viewer_so_far as (
        partition by user_id
        order by occurred_at asc, is_known asc, event_id asc
        rows between unbounded preceding and 1 preceding
    )
)

select
    event_id,
    cast(coalesce(views_count, 0) as bigint) as user_views_count,
    cast(coalesce(titles_count, 0) as bigint) as user_titles_count,
    cast(coalesce(known_outcomes_count, 0) as bigint) as user_known_outcomes_count,
    cast(coalesce(known_continued_count, 0) as bigint) as user_known_continued_count,
    known_continued_count / nullif(known_outcomes_count, 0) as user_continuation_rate,
    completion_sum / nullif(views_count, 0) as user_mean_completion
from accumulated
where is_watched = 1
