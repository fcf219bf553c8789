with titles as (
    select * from {{ ref('stg_anime__titles') }}
),

exploded as (
    select
        anime_id,
        {{ explode_list('tags') }} as tag
    from titles
)

select distinct
    anime_id,
    tag
from exploded
