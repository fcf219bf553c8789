{#- Ratings after which one counts half, and how far back they are looked at: a weight of 2 to the power of -40. -#}
{%- set half_life = 10 -%}
{%- set block = 400 -%}
with ratings as (
    select
        *,
        movie_mean_rating - prior_rating as movie_over_prior,
        -- Weights that double with every half-life would overflow: they start anew with each block of ratings, and what
        -- is looked at lies in two blocks, one of them of an even number.
        pow(2, (user_ratings_count % {{ block }}) / {{ half_life }}) as recency_weight,
        floor(user_ratings_count / {{ block }}) % 2 = 0 as is_even_block
    from {{ ref('int_ratings_with_residuals') }}
),

summed as (
    select
        *,
        {{ settled('coalesce(sum(residual) over user_before, 0)') }} as user_residuals_sum,
        {{ settled('coalesce(sum(residual) over movie_before, 0)') }} as movie_residuals_sum,
        {{ settled('coalesce(sum(residual * residual) over movie_before, 0)') }} as movie_squares_sum,
        {{ settled('coalesce(sum(over_movie) over sitting_before, 0)') }} as sitting_sum,
        {{ settled('coalesce(sum(residual * movie_over_prior) over user_before, 0)') }} as quality_sum,
        {{ settled('coalesce(sum(movie_over_prior * movie_over_prior) over user_before, 0)') }} as quality_squares_sum,
        coalesce(sum(case when is_even_block then over_movie * recency_weight else 0 end) over lately, 0) as even_sum,
        coalesce(sum(case when is_even_block then 0 else over_movie * recency_weight end) over lately, 0) as odd_sum
    from ratings
    window
        user_before as (
            partition by user_id order by rated_second asc range between unbounded preceding and 1 preceding
        ),
        movie_before as (
            partition by movie_id order by rated_second asc range between unbounded preceding and 1 preceding
        ),
        sitting_before as (
            partition by user_id, sitting_begun_after_count
            order by rated_second asc
            range between unbounded preceding and 1 preceding
        ),
        -- By the number of earlier ratings: ratings of one second have the same.
        lately as (
            partition by user_id
            order by user_ratings_count asc
            range between {{ block - 1 }} preceding and 1 preceding
        )
)

select
    rating_id,
    user_residuals_sum / (user_ratings_count + 5) as user_residual,
    movie_residuals_sum / (movie_ratings_count + 5) as movie_residual,
    movie_squares_sum / (movie_ratings_count + 5) as movie_residual_variance,
    user_ratings_count - sitting_begun_after_count as sitting_ratings_count,
    sitting_sum / (user_ratings_count - sitting_begun_after_count + 3) as sitting_bias,
    movie_over_prior * quality_sum / (quality_squares_sum + 5) as quality_affinity,
    {{ settled(
        "(1 - pow(2, -1.0 / " ~ half_life ~ ")) / recency_weight
        * case
            when is_even_block then even_sum + odd_sum * pow(2, -1.0 * " ~ block ~ " / " ~ half_life ~ ")
            else odd_sum + even_sum * pow(2, -1.0 * " ~ block ~ " / " ~ half_life ~ ")
        end"
    ) }} as user_recent_bias
from summed
