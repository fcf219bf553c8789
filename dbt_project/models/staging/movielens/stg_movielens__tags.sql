with source as (
    select * from {{ source('movielens', 'movielens_tags') }}
),

renamed as (
    select
        -- Several tags can be given in one second.
        concat_ws('-', 'tag', user_id, movie_id, {{ unix_seconds('tagged_at') }}, md5(tag)) as tag_id,
        user_id,
        movie_id,
        _batch_id as batch_id,
        tag,
        _row_number as file_row_number,
        tagged_at,
        _loaded_at as loaded_at
    from source
)

select * from renamed
