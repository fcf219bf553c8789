{%- set train_share = var('train_share') -%}
{%- set before_test_share = var('train_share') ~ ' + ' ~ var('validation_share') -%}
with ratings as (
    select
        rating_id,
        user_id,
        {{ unix_seconds('rated_at') }} as rated_second
    from {{ ref('fct_ratings') }}
),

-- Ratings of one second stand in the order of a hash of their key, which no order of the file has a part in.
numbered as (
    select
        *,
        row_number() over (partition by user_id order by rated_second asc, md5(rating_id) asc) as rating_number,
        count(*) over (partition by user_id) as ratings_count
    from ratings
),

-- Not by row but by second, so that ratings of one second stay together.
boundaries as (
    select
        percentile_cont({{ train_share }}) within group (order by rated_second) as validation_starts_second,
        percentile_cont({{ before_test_share }}) within group (order by rated_second) as test_starts_second
    from ratings
)

select
    numbered.rating_id,
    case numbered.ratings_count - numbered.rating_number
        when 0 then 'test'
        when 1 then 'validation'
        else 'train'
    end as split_last_rating,
    case
        when numbered.rating_number <= numbered.ratings_count * {{ train_share }} then 'train'
        when numbered.rating_number <= numbered.ratings_count * ({{ before_test_share }}) then 'validation'
        else 'test'
    end as split_last_fifth,
    case
        when numbered.rated_second < boundaries.validation_starts_second then 'train'
        when numbered.rated_second < boundaries.test_starts_second then 'validation'
        else 'test'
    end as split_global_time
from numbered
cross join boundaries
