{#- A table, for survival and the churn features read it: for 20,000 users 1.0 s with them, 2.2 s made anew by both. -#}
{{ config(materialized='table') }}

with first_events as (
    select * from {{ ref('int_user_first_events') }}
),

viewers as (
    select * from {{ ref('stg_viewing__viewers') }}
),

title_tags as (
    select * from {{ ref('bridge_anime_tags') }}
),

movies as (
    select * from {{ ref('stg_movielens__movies') }}
),

movie_genres as (
    select
        cast(movie_id as string) as item_id,
        {{ explode_list('genres') }} as tag
    from movies
),

item_tags as (
    select
        'viewing' as source,
        anime_id as item_id,
        tag
    from title_tags
    union all
    select
        'movielens' as source,
        item_id,
        tag
    from movie_genres
),

tag_sizes as (
    select
        source,
        tag,
        count(*) as items_count
    from item_tags
    group by source, tag
),

-- A title has many tags and a user one segment: the tag that most titles have, so that segments are not tiny.
leading_tags as (
    select
        item_tags.source,
        item_tags.item_id,
        item_tags.tag
    from item_tags
    inner join tag_sizes on item_tags.source = tag_sizes.source and item_tags.tag = tag_sizes.tag
    qualify row_number() over (
        partition by item_tags.source, item_tags.item_id
        order by tag_sizes.items_count desc, item_tags.tag asc
    ) = 1
),

segments as (
    select
        source,
        user_id,
        'device' as segment_name,
        device as segment_value
    from first_events
    union all
    select
        source,
        user_id,
        'first_event' as segment_name,
        event_name as segment_value
    from first_events
    union all
    select
        first_events.source,
        first_events.user_id,
        'channel' as segment_name,
        viewers.acquisition_channel as segment_value
    from first_events
    inner join viewers on first_events.user_id = cast(viewers.user_id as string)
    where first_events.source = 'viewing'
    union all
    select
        first_events.source,
        first_events.user_id,
        'first_title_tag' as segment_name,
        leading_tags.tag as segment_value
    from first_events
    inner join leading_tags
        on first_events.source = leading_tags.source and first_events.item_id = leading_tags.item_id
    {%- for property in var('user_segment_properties') %}
        union all
        select
            source,
            user_id,
            {{ quote_text(property) }} as segment_name,
            {{ json_text('properties', property) }} as segment_value
        from first_events
        where properties is not null
    {%- endfor %}
)

select
    source,
    user_id,
    segment_name,
    segment_value
from segments
where segment_value is not null
