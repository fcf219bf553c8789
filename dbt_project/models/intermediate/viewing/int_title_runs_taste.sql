with runs as (
    select * from {{ ref('fct_title_runs') }}
),

tags as (
    select * from {{ ref('bridge_anime_tags') }}
),

-- A title is known to be picked when its first view has ended; of two begun earlier one may still be on.
numbered as (
    select
        user_id,
        anime_id,
        first_ended_at,
        cast(first_ended_at as date) as picked_date,
        count(*) over picked_before as earlier_runs_count,
        max(first_ended_at) over picked_before as latest_seen_at
    from runs
    window picked_before as (
        partition by user_id
        order by first_ended_at asc, anime_id asc
        rows between unbounded preceding and 1 preceding
    )
),

run_tags as (
    select
        numbered.*,
        tags.tag,
        row_number() over (
            partition by numbered.user_id, tags.tag
            order by numbered.first_ended_at asc, numbered.anime_id asc
        ) - 1 as earlier_with_tag_count
    from numbered
    inner join tags on numbered.anime_id = tags.anime_id
),

-- What everybody had picked by the midnight before.
daily_runs as (
    select
        picked_date,
        count(*) as runs_count
    from numbered
    group by picked_date
),

runs_before as (
    select
        picked_date,
        sum(runs_count) over (order by picked_date asc rows between unbounded preceding and 1 preceding)
            as earlier_runs_count
    from daily_runs
),

daily_tags as (
    select
        tag,
        picked_date,
        count(*) as runs_count
    from run_tags
    group by tag, picked_date
),

tags_before as (
    select
        tag,
        picked_date,
        coalesce(sum(runs_count) over (
            partition by tag order by picked_date asc rows between unbounded preceding and 1 preceding
        ), 0) as earlier_runs_count
    from daily_tags
)

-- What a viewer picks more than others do is their taste, as far as their history shows it.
select
    run_tags.user_id,
    run_tags.anime_id,
    {{ settled('avg(
        run_tags.earlier_with_tag_count / nullif(run_tags.earlier_runs_count, 0)
        - tags_before.earlier_runs_count / nullif(runs_before.earlier_runs_count, 0)
    )') }} as taste_match,
    max(run_tags.latest_seen_at) as latest_seen_at
from run_tags
inner join runs_before on run_tags.picked_date = runs_before.picked_date
inner join tags_before on run_tags.tag = tags_before.tag and run_tags.picked_date = tags_before.picked_date
group by run_tags.user_id, run_tags.anime_id
