with movies as (
    select * from {{ ref('stg_movielens__movies') }}
),

exploded as (
    select
        movie_id,
        {{ explode_list('genres') }} as genre
    from movies
)

select distinct
    movie_id,
    genre
from exploded
