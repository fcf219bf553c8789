with views as (
    select * from {{ ref('fct_episode_views') }}
    where not is_last_episode
),

daily as (
    select
        cast(ended_at as date) as ended_date,
        count(*) as views_count
    from views
    where has_continued is not null
    group by cast(ended_at as date)
),

shares as (
    select
        ended_date,
        sum(views_count) over (order by ended_date asc rows between unbounded preceding and current row)
        / sum(views_count) over () as share_so_far
    from daily
),

-- Splits change at midnight: validation starts on the day by whose end training has had its share, and so on.
boundaries as (
    select
        cast(min(ended_date) filter (
            where share_so_far >= {{ var('train_share') }}
        ) as timestamp) as validation_starts_at,
        cast(min(ended_date) filter (
            where share_so_far >= {{ var('train_share') }} + {{ var('validation_share') }}
        ) as timestamp) as test_starts_at
    from shares
),

assigned as (
    select
        views.event_id,
        {{ split_by_time(
            moment='views.ended_at',
            known_at=add_days('views.ended_at', var('continuation_window_days')),
            is_open='views.has_continued is null',
            validation_starts='boundaries.validation_starts_at',
            test_starts='boundaries.test_starts_at'
        ) | indent(8) }} as split
    from views
    cross join boundaries
)

select * from assigned
