-- Read by what looks at users and movies and by what looks at their traits: the windows are worked out once.
{{ config(materialized='table') }}
with histories as (
    select * from {{ ref('int_ratings_with_histories') }}
),

-- What a rating said beyond what was known of the movie (of the user) when it was given.
compared as (
    select
        *,
        {{ summable('rating - movie_mean_rating') }} as over_movie,
        {{ summable('rating - user_mean_rating') }} as over_user
    from histories
),

biased as (
    select
        *,
        coalesce(sum(over_movie) over user_before, 0) / (user_ratings_count + 3) as user_bias,
        coalesce(sum(over_user) over movie_before, 0) / (movie_ratings_count + 5) as movie_bias
    from compared
    window
        user_before as (
            partition by user_id order by rated_second asc range between unbounded preceding and 1 preceding
        ),
        movie_before as (
            partition by movie_id order by rated_second asc range between unbounded preceding and 1 preceding
        )
)

select
    *,
    {{ summable('rating - (prior_rating + user_bias + movie_bias)') }} as residual
from biased
