with titles as (
    select * from {{ ref('stg_anime__titles') }}
    where episodes_total is not null
),

numbered as (
    select
        anime_id,
        {{ explode_list(number_list(1, 'episodes_total')) }} as episode_number,
        episodes_total,
        episode_seconds
    from titles
)

select
    anime_id,
    cast(episode_number as integer) as episode_number,
    episode_seconds,
    episode_number = episodes_total as is_last_episode
from numbered
