with ratings as (
    select * from {{ ref('int_ratings_with_residuals') }}
),

effects as (
    select * from {{ ref('int_rating_effects') }}
),

affinities as (
    select * from {{ ref('int_rating_affinities') }}
),

splits as (
    select * from {{ ref('int_rating_splits') }}
),

movies as (
    select * from {{ ref('int_movies_with_genre_flags') }}
)

select
    ratings.rating_id,
    ratings.user_id,
    ratings.movie_id,
    ratings.rated_at as as_of,
    ratings.rated_at as label_known_at,
    ratings.is_engaged as label,
    splits.split_last_rating,
    splits.split_last_fifth,
    splits.split_global_time,
    ratings.user_ratings_count,
    ratings.user_mean_rating,
    ratings.user_engaged_rate,
    ratings.user_rating_spread,
    ratings.user_bias,
    effects.user_residual,
    effects.user_recent_bias,
    (ratings.rated_second - ratings.user_first_second) / 86400 as user_days_since_first_rating,
    (ratings.rated_second - ratings.user_previous_second) / 3600 as user_hours_since_previous_rating,
    effects.sitting_ratings_count,
    effects.sitting_bias,
    ratings.movie_ratings_count,
    ratings.movie_mean_rating,
    ratings.movie_engaged_rate,
    ratings.movie_bias,
    effects.movie_residual,
    effects.movie_residual_variance,
    cast(year(ratings.rated_at) - movies.release_year as integer) as movie_age_years,
    affinities.genre_bias,
    affinities.genre_affinity,
    affinities.decade_affinity,
    affinities.popularity_affinity,
    effects.quality_affinity,
    ratings.prior_rating
    + ratings.user_bias
    + effects.user_residual
    + ratings.movie_bias
    + effects.movie_residual
    + affinities.genre_affinity
    + affinities.decade_affinity
    + affinities.popularity_affinity
    + effects.quality_affinity as expected_rating,
    cast(hour(ratings.rated_at) as integer) as hour_of_day,
    cast({{ iso_weekday('ratings.rated_at') }} as integer) as weekday_number,
    movies.has_genre_action,
    movies.has_genre_adventure,
    movies.has_genre_animation,
    movies.has_genre_children,
    movies.has_genre_comedy,
    movies.has_genre_crime,
    movies.has_genre_documentary,
    movies.has_genre_drama,
    movies.has_genre_fantasy,
    movies.has_genre_film_noir,
    movies.has_genre_horror,
    movies.has_genre_imax,
    movies.has_genre_musical,
    movies.has_genre_mystery,
    movies.has_genre_romance,
    movies.has_genre_sci_fi,
    movies.has_genre_thriller,
    movies.has_genre_war,
    movies.has_genre_western,
    movies.has_genre_none
from ratings
inner join effects on ratings.rating_id = effects.rating_id
inner join affinities on ratings.rating_id = affinities.rating_id
inner join splits on ratings.rating_id = splits.rating_id
left join movies on ratings.movie_id = movies.movie_id
