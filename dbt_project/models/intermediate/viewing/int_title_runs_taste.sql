with runs as (
    select * from {{ ref('fct_title_runs') }}
),

tags as (
    select * from {{ ref('bridge_anime_tags') }}
),

-- How often a viewer picked a title with this tag before, beside how often everybody had: what they pick more
-- than others do is their taste, as far as their history shows it.
run_numbers as (
    select
        user_id,
        anime_id,
        started_at,
        row_number() over (partition by user_id order by started_at asc, anime_id asc) - 1 as earlier_runs_count,
        row_number() over (order by started_at asc, user_id asc, anime_id asc) - 1 as all_earlier_runs_count
    from runs
),

run_tags as (
    select
        run_numbers.*,
        tags.tag,
        row_number() over (
            partition by run_numbers.user_id, tags.tag
            order by run_numbers.started_at asc, run_numbers.anime_id asc
        ) - 1 as earlier_with_tag_count,
        row_number() over (
            partition by tags.tag
            order by run_numbers.started_at asc, run_numbers.user_id asc, run_numbers.anime_id asc
        ) - 1 as all_earlier_with_tag_count
    from run_numbers
    inner join tags on run_numbers.anime_id = tags.anime_id
)

select
    user_id,
    anime_id,
    avg(
        earlier_with_tag_count / nullif(earlier_runs_count, 0)
        - all_earlier_with_tag_count / nullif(all_earlier_runs_count, 0)
    ) as taste_match
from run_tags
group by user_id, anime_id
