with source as (
    select * from {{ source('movielens', 'movielens_movies') }}
),

renamed as (
    select
        movie_id,
        title,
        genres,
        release_year
    from source
)

select * from renamed
