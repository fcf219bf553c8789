with movies as (
    select * from {{ ref('stg_movielens__movies') }}
),

links as (
    select * from {{ ref('stg_movielens__links') }}
)

select
    movies.movie_id,
    movies.title,
    movies.release_year,
    cast({{ list_length('movies.genres') }} as integer) as genres_count,
    links.imdb_id,
    links.tmdb_id
from movies
left join links on movies.movie_id = links.movie_id
