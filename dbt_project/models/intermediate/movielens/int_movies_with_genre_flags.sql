with movies as (
    select * from {{ ref('dim_movies') }}
),

genres as (
    select * from {{ ref('bridge_movie_genres') }}
),

-- MovieLens' fixed list.
flags as (
    select
        movie_id,
        bool_or(genre = 'Action') as has_genre_action,
        bool_or(genre = 'Adventure') as has_genre_adventure,
        bool_or(genre = 'Animation') as has_genre_animation,
        bool_or(genre = 'Children') as has_genre_children,
        bool_or(genre = 'Comedy') as has_genre_comedy,
        bool_or(genre = 'Crime') as has_genre_crime,
        bool_or(genre = 'Documentary') as has_genre_documentary,
        bool_or(genre = 'Drama') as has_genre_drama,
        bool_or(genre = 'Fantasy') as has_genre_fantasy,
        bool_or(genre = 'Film-Noir') as has_genre_film_noir,
        bool_or(genre = 'Horror') as has_genre_horror,
        bool_or(genre = 'IMAX') as has_genre_imax,
        bool_or(genre = 'Musical') as has_genre_musical,
        bool_or(genre = 'Mystery') as has_genre_mystery,
        bool_or(genre = 'Romance') as has_genre_romance,
        bool_or(genre = 'Sci-Fi') as has_genre_sci_fi,
        bool_or(genre = 'Thriller') as has_genre_thriller,
        bool_or(genre = 'War') as has_genre_war,
        bool_or(genre = 'Western') as has_genre_western
    from genres
    group by movie_id
)

select
    movies.movie_id,
    movies.release_year,
    coalesce(flags.has_genre_action, false) as has_genre_action,
    coalesce(flags.has_genre_adventure, false) as has_genre_adventure,
    coalesce(flags.has_genre_animation, false) as has_genre_animation,
    coalesce(flags.has_genre_children, false) as has_genre_children,
    coalesce(flags.has_genre_comedy, false) as has_genre_comedy,
    coalesce(flags.has_genre_crime, false) as has_genre_crime,
    coalesce(flags.has_genre_documentary, false) as has_genre_documentary,
    coalesce(flags.has_genre_drama, false) as has_genre_drama,
    coalesce(flags.has_genre_fantasy, false) as has_genre_fantasy,
    coalesce(flags.has_genre_film_noir, false) as has_genre_film_noir,
    coalesce(flags.has_genre_horror, false) as has_genre_horror,
    coalesce(flags.has_genre_imax, false) as has_genre_imax,
    coalesce(flags.has_genre_musical, false) as has_genre_musical,
    coalesce(flags.has_genre_mystery, false) as has_genre_mystery,
    coalesce(flags.has_genre_romance, false) as has_genre_romance,
    coalesce(flags.has_genre_sci_fi, false) as has_genre_sci_fi,
    coalesce(flags.has_genre_thriller, false) as has_genre_thriller,
    coalesce(flags.has_genre_war, false) as has_genre_war,
    coalesce(flags.has_genre_western, false) as has_genre_western,
    flags.movie_id is null as has_genre_none
from movies
left join flags on movies.movie_id = flags.movie_id
