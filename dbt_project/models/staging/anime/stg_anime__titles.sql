with source as (
    select * from {{ source('anime', 'anime') }}
),

renamed as (
    select
        anime_id,
        title,
        type as anime_type,
        lower(status) as release_status,
        nullif(lower(season), 'undefined') as season,
        picture as picture_url,
        thumbnail as thumbnail_url,
        sources as source_urls,
        synonyms,
        studios,
        producers,
        related_anime as related_urls,
        tags,
        -- The catalogue writes an unknown number of episodes as 0.
        nullif(episodes, 0) as episodes_total,
        duration_seconds as episode_seconds,
        year as release_year,
        score_arithmetic_mean as score,
        score_median,
        score_arithmetic_geometric_mean
    from source
)

select * from renamed
