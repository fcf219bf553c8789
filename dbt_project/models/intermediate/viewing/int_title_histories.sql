with timeline as (
    select * from {{ ref('int_view_timeline') }}
),

daily as (
    select
        anime_id,
        cast(occurred_at as date) as history_date,
        count_if(is_watched) as views_count,
        count_if(is_known) as known_outcomes_count,
        count_if(is_continued) as known_continued_count,
        max(occurred_at) as latest_seen_at
    from timeline
    group by anime_id, cast(occurred_at as date)
),

-- As of the midnight before: a title's statistics move slowly, and by the day they are few.
accumulated as (
    select
        anime_id,
        history_date,
        sum(views_count) over title_so_far as views_count,
        sum(known_outcomes_count) over title_so_far as known_outcomes_count,
        sum(known_continued_count) over title_so_far as known_continued_count,
        max(latest_seen_at) over title_so_far as latest_seen_at
    from daily
    window title_so_far as (
        partition by anime_id
        order by history_date asc
        rows between unbounded preceding and 1 preceding
    )
)

select
    anime_id,
    history_date,
    cast(coalesce(views_count, 0) as bigint) as title_views_count,
    cast(coalesce(known_outcomes_count, 0) as bigint) as title_known_outcomes_count,
    known_continued_count / nullif(known_outcomes_count, 0) as title_continuation_rate,
    latest_seen_at
from accumulated
