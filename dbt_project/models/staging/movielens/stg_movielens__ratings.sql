with source as (
    select * from {{ source('movielens', 'movielens_ratings') }}
),

renamed as (
    select
        concat_ws('-', 'rating', user_id, movie_id, {{ unix_seconds('rated_at') }}) as rating_id,
        user_id,
        movie_id,
        _batch_id as batch_id,
        rating,
        _row_number as file_row_number,
        rated_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
