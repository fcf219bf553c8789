{#- Ratings after which one counts half. Those before the last 99, which count under a thousandth, are left out. -#}
{%- set half_life = 10 -%}
{%- set block = 100 -%}
with ratings as (
    select
        *,
        {{ summable('movie_mean_rating - prior_rating') }} as movie_over_prior,
        -- Weights that double with every half-life would overflow: they start anew with each block of ratings, and what
        -- is looked at lies in two blocks, one of them of an even number.
        pow(2, (user_ratings_count % {{ block }}) / {{ half_life }}) as recency_weight,
        floor(user_ratings_count / {{ block }}) % 2 = 0 as is_even_block
    from {{ ref('int_ratings_with_residuals') }}
),

products as (
    select
        *,
        {{ summable('residual * residual') }} as residual_square,
        {{ summable('residual * movie_over_prior') }} as residual_by_quality,
        {{ summable('movie_over_prior * movie_over_prior') }} as quality_square,
        {{ summable('over_movie * recency_weight') }} as over_movie_weighted
    from ratings
),

summed as (
    select
        *,
        coalesce(sum(residual) over user_before, 0) as user_residuals_sum,
        coalesce(sum(residual) over movie_before, 0) as movie_residuals_sum,
        coalesce(sum(residual_square) over movie_before, 0) as movie_squares_sum,
        coalesce(sum(over_movie) over sitting_before, 0) as sitting_sum,
        coalesce(sum(residual_by_quality) over user_before, 0) as quality_sum,
        coalesce(sum(quality_square) over user_before, 0) as quality_squares_sum,
        coalesce(sum(case when is_even_block then over_movie_weighted else 0 end) over lately, 0) as even_sum,
        coalesce(sum(case when is_even_block then 0 else over_movie_weighted end) over lately, 0) as odd_sum
    from products
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
    {{ summable(
        "(1 - pow(2, -1.0 / " ~ half_life ~ ")) / recency_weight
        * case
            when is_even_block then even_sum + odd_sum * pow(2, -1.0 * " ~ block ~ " / " ~ half_life ~ ")
            else odd_sum + even_sum * pow(2, -1.0 * " ~ block ~ " / " ~ half_life ~ ")
        end"
    ) }} as user_recent_bias
from summed
