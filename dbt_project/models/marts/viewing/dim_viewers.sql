with viewers as (
    select * from {{ ref('stg_viewing__viewers') }}
),

views as (
    select * from {{ ref('fct_episode_views') }}
),

activity as (
    select
        user_id,
        count(*) as views_count,
        count(distinct anime_id) as titles_count,
        min(started_at) as first_viewed_at,
        max(started_at) as last_viewed_at
    from views
    group by user_id
)

select
    viewers.user_id,
    viewers.acquisition_channel,
    viewers.signed_up_at,
    cast(viewers.signed_up_at as date) as signed_up_date,
    activity.first_viewed_at,
    activity.last_viewed_at,
    coalesce(activity.views_count, 0) as views_count,
    coalesce(activity.titles_count, 0) as titles_count
from viewers
left join activity on viewers.user_id = activity.user_id
