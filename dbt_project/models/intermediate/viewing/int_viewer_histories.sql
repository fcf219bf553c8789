with timeline as (
    select * from {{ ref('int_view_timeline') }}
),

-- Of what happens at the same instant, what was watched comes before the outcomes, so that a view never counts an
-- outcome that shows at the very moment it is predicted, its own least of all.
accumulated as (
    select
        event_id,
        is_watched,
        count_if(is_watched) over viewer_so_far as views_count,
        count_if(is_first_of_title) over viewer_so_far as titles_count,
        {{ settled('avg(completion) over viewer_so_far') }} as mean_completion,
        count_if(is_known) over viewer_so_far as known_outcomes_count,
        count_if(is_continued) over viewer_so_far as known_continued_count,
        max(case when is_watched then occurred_at end) over viewer_so_far as previous_ended_at,
        max(occurred_at) over viewer_so_far as latest_seen_at
    from timeline
    window viewer_so_far as (
        partition by user_id
        order by occurred_at asc, is_watched desc, delivery_number asc, is_known desc
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
    mean_completion as user_mean_completion,
    previous_ended_at as user_previous_ended_at,
    latest_seen_at
from accumulated
where is_watched
