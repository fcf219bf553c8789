with ratings as (
    select * from {{ ref('int_ratings_with_residuals') }}
),

genres as (
    select * from {{ ref('bridge_movie_genres') }}
),

movies as (
    select * from {{ ref('dim_movies') }}
),

-- What a movie shares with others: its genres, its decade, and how often it had been rated by then.
traits as (
    select
        ratings.rating_id,
        ratings.user_id,
        ratings.rated_second,
        ratings.over_movie,
        ratings.residual,
        'genre' as trait,
        genres.genre as trait_value
    from ratings
    inner join genres on ratings.movie_id = genres.movie_id
    union all
    select
        ratings.rating_id,
        ratings.user_id,
        ratings.rated_second,
        ratings.over_movie,
        ratings.residual,
        'decade' as trait,
        cast(cast(floor(movies.release_year / 10) as bigint) as string) as trait_value
    from ratings
    inner join movies on ratings.movie_id = movies.movie_id
    where movies.release_year is not null
    union all
    select
        rating_id,
        user_id,
        rated_second,
        over_movie,
        residual,
        'popularity' as trait,
        case
            when movie_ratings_count < 3 then 'below 3'
            when movie_ratings_count < 15 then 'below 15'
            when movie_ratings_count < 63 then 'below 63'
            when movie_ratings_count < 255 then 'below 255'
            else 'more'
        end as trait_value
    from ratings
),

-- What the user had thought of movies with that trait, in strictly earlier seconds.
accumulated as (
    select
        rating_id,
        trait,
        count(*) over alike_before as alike_count,
        coalesce(sum(over_movie) over alike_before, 0) as over_movie_sum,
        coalesce(sum(residual) over alike_before, 0) as residuals_sum
    from traits
    window alike_before as (
        partition by user_id, trait, trait_value
        order by rated_second asc
        range between unbounded preceding and 1 preceding
    )
),

shrunken as (
    select
        *,
        {{ summable('over_movie_sum / (alike_count + 5)') }} as bias,
        {{ summable('residuals_sum / (alike_count + 5)') }} as affinity
    from accumulated
)

select
    rating_id,
    coalesce(avg(bias) filter (where trait = 'genre'), 0) as genre_bias,
    coalesce(
        sum(residuals_sum) filter (where trait = 'genre') / (sum(alike_count) filter (where trait = 'genre') + 10), 0
    ) as genre_affinity,
    coalesce(max(affinity) filter (where trait = 'decade'), 0) as decade_affinity,
    coalesce(max(affinity) filter (where trait = 'popularity'), 0) as popularity_affinity
from shrunken
group by rating_id
