with ratings as (
    select * from {{ ref('stg_movielens__ratings') }}
)

select
    rating_id,
    user_id,
    movie_id,
    rating,
    {{ is_engaged_rating('rating') }} as is_engaged,
    rated_at
from ratings
