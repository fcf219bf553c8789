with titles as (
    select * from {{ ref('stg_anime__titles') }}
)

select
    anime_id,
    title,
    anime_type,
    release_status,
    season,
    release_year,
    episodes_total,
    episode_seconds,
    score,
    score_median,
    score_arithmetic_geometric_mean,
    cast(coalesce({{ list_length('tags') }}, 0) as integer) as tags_count,
    picture_url,
    thumbnail_url,
    source_urls,
    synonyms,
    studios,
    producers,
    related_urls
from titles
