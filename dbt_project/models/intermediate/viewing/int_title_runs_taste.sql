with runs as (
    select * from {{ ref('fct_title_runs') }}
),

tags as (
    select * from {{ ref('bridge_anime_tags') }}
),

counted_tags as (
    select
        tag,
        count(*) as titles_count
    from tags
    group by tag
),

-- Taste is told by what many titles share: of a tag on a few, a viewer's picks say next to nothing.
common_tags as (
    select tag
    from counted_tags
    qualify row_number() over (order by titles_count desc, tag asc) <= {{ var('taste_tags_limit') }}
),

title_tags as (
    select
        tags.anime_id,
        tags.tag
    from tags
    inner join common_tags on tags.tag = common_tags.tag
),

-- A title is known to be picked when its first view has ended; of two begun earlier one may still be on.
picks as (
    select
        user_id,
        anime_id,
        first_ended_at,
        cast(first_ended_at as date) as picked_date
    from runs
),

-- What everybody had picked by the midnight before.
daily_picks as (
    select
        picked_date,
        count(*) as picks_count
    from picks
    group by picked_date
),

daily_tags as (
    select
        picks.picked_date,
        title_tags.tag,
        count(*) as picks_count
    from picks
    inner join title_tags on picks.anime_id = title_tags.anime_id
    group by picks.picked_date, title_tags.tag
),

-- As if one more of four had the tag: shares stay off 0, and the first days near what a common tag has.
tag_shares as (
    select
        daily_picks.picked_date,
        common_tags.tag,
        (coalesce(sum(daily_tags.picks_count) over tag_so_far, 0) + cast(1 as double))
        / (coalesce(sum(daily_picks.picks_count) over tag_so_far, 0) + 4) as tag_share
    from daily_picks
    cross join common_tags
    left join daily_tags
        on daily_picks.picked_date = daily_tags.picked_date and common_tags.tag = daily_tags.tag
    window tag_so_far as (
        partition by common_tags.tag
        order by daily_picks.picked_date asc
        rows between unbounded preceding and 1 preceding
    )
),

-- A pick speaks for a tag by how much likelier the tag makes it: a rare tag more than one that most titles have.
lifts as (
    select
        picks.user_id,
        picks.anime_id,
        picks.first_ended_at,
        title_tags.tag,
        1 / ({{ var('taste_tags_limit') }} * tag_shares.tag_share) as lift
    from picks
    inner join title_tags on picks.anime_id = title_tags.anime_id
    inner join tag_shares on picks.picked_date = tag_shares.picked_date and title_tags.tag = tag_shares.tag
),

-- The chance that the title was picked for this tag, against its others and no tag at all.
run_tags as (
    select
        user_id,
        anime_id,
        first_ended_at,
        tag,
        lift / ({{ settled('sum(lift) over (partition by user_id, anime_id)') }} + 1) as tag_weight
    from lifts
),

run_tags_so_far as (
    select
        user_id,
        anime_id,
        {{ settled('sum(tag_weight) over tag_so_far') }} as earlier_tag_weight
    from run_tags
    window tag_so_far as (
        partition by user_id, tag
        order by first_ended_at asc, anime_id asc
        rows between unbounded preceding and 1 preceding
    )
),

of_title as (
    select
        user_id,
        anime_id,
        count(*) as tags_count,
        {{ settled('sum(coalesce(earlier_tag_weight, 0))') }} as earlier_weight_of_title
    from run_tags_so_far
    group by user_id, anime_id
),

weights as (
    select
        user_id,
        anime_id,
        first_ended_at,
        {{ settled('sum(tag_weight)') }} as tags_weight
    from run_tags
    group by user_id, anime_id, first_ended_at
),

weights_so_far as (
    select
        user_id,
        anime_id,
        coalesce({{ settled('sum(tags_weight) over viewer_so_far') }}, 0) as earlier_weight,
        max(first_ended_at) over viewer_so_far as latest_seen_at
    from weights
    window viewer_so_far as (
        partition by user_id
        order by first_ended_at asc, anime_id asc
        rows between unbounded preceding and 1 preceding
    )
)

-- Shrunk towards a taste that is even over the tags, by the weight of a few picks.
select
    of_title.user_id,
    of_title.anime_id,
    {{ settled("
        (
            of_title.earlier_weight_of_title
            + " ~ var('taste_prior_picks') ~ " * of_title.tags_count / cast(" ~ var('taste_tags_limit') ~ " as double)
        ) / (weights_so_far.earlier_weight + " ~ var('taste_prior_picks') ~ ")
    ") }} as taste_match,
    weights_so_far.latest_seen_at
from of_title
inner join weights_so_far
    on of_title.user_id = weights_so_far.user_id and of_title.anime_id = weights_so_far.anime_id
