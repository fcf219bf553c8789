with ratings as (
    select
        *,
        cast(rated_at as date) as rated_date,
        {{ unix_seconds('rated_at') }} as rated_second
    from {{ ref('fct_ratings') }}
),

daily as (
    select
        rated_date,
        count(*) as ratings_count,
        count_if(is_engaged) as engaged_count,
        sum(rating) as ratings_sum
    from ratings
    group by rated_date
),

-- What is expected of a user or movie of which nothing is known: the mean of all earlier days, on the first the middle.
levels as (
    select
        rated_date,
        coalesce(sum(ratings_sum) over days_before / sum(ratings_count) over days_before, 2.75) as prior_rating,
        coalesce(sum(engaged_count) over days_before / sum(ratings_count) over days_before, 0.5) as prior_engaged_rate
    from daily
    window days_before as (order by rated_date asc rows between unbounded preceding and 1 preceding)
),

-- Earlier is an earlier second: of ratings of the same second none knows of another. Stars are halves, so that their
-- sums are exact.
histories as (
    select
        ratings.*,
        levels.prior_rating,
        levels.prior_engaged_rate,
        count(*) over user_before as user_ratings_count,
        coalesce(count_if(ratings.is_engaged) over user_before, 0) as user_engaged_count,
        coalesce(sum(ratings.rating) over user_before, 0) as user_ratings_sum,
        coalesce(sum(ratings.rating * ratings.rating) over user_before, 0) as user_squares_sum,
        min(ratings.rated_second) over user_before as user_first_second,
        max(ratings.rated_second) over user_before as user_previous_second,
        count(*) over movie_before as movie_ratings_count,
        coalesce(count_if(ratings.is_engaged) over movie_before, 0) as movie_engaged_count,
        coalesce(sum(ratings.rating) over movie_before, 0) as movie_ratings_sum
    from ratings
    inner join levels on ratings.rated_date = levels.rated_date
    window
        user_before as (
            partition by ratings.user_id
            order by ratings.rated_second asc
            range between unbounded preceding and 1 preceding
        ),
        movie_before as (
            partition by ratings.movie_id
            order by ratings.rated_second asc
            range between unbounded preceding and 1 preceding
        )
),

-- A pause longer than that of a session begins a new sitting, which is known by the ratings before it.
sittings as (
    select
        *,
        case
            when
                user_previous_second is null
                or rated_second - user_previous_second > {{ var('session_gap_seconds') }}
                then user_ratings_count
        end as begun_after_count
    from histories
)

select
    rating_id,
    user_id,
    movie_id,
    rating,
    is_engaged,
    rated_at,
    rated_second,
    prior_rating,
    prior_engaged_rate,
    user_ratings_count,
    user_first_second,
    user_previous_second,
    (user_ratings_sum + 5 * prior_rating) / (user_ratings_count + 5) as user_mean_rating,
    (user_engaged_count + 5 * prior_engaged_rate) / (user_ratings_count + 5) as user_engaged_rate,
    case
        when user_ratings_count > 0
            then {{ settled(
                'sqrt(greatest('
                ~ 'user_squares_sum / user_ratings_count - pow(user_ratings_sum / user_ratings_count, 2), 0))'
            ) }}
    end as user_rating_spread,
    movie_ratings_count,
    (movie_ratings_sum + 5 * prior_rating) / (movie_ratings_count + 5) as movie_mean_rating,
    (movie_engaged_count + 5 * prior_engaged_rate) / (movie_ratings_count + 5) as movie_engaged_rate,
    max(begun_after_count) over (
        partition by user_id
        order by rated_second asc
        range between unbounded preceding and current row
    ) as sitting_begun_after_count
from sittings
