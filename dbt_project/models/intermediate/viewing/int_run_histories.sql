with views as (
    select * from {{ ref('fct_episode_views') }}
)

select
    event_id,
    count(*) over run_so_far as run_views_count,
    {{ settled('avg(completion) over run_so_far') }} as run_mean_completion,
    max(ended_at) over run_so_far as run_previous_ended_at
from views
window run_so_far as (
    partition by user_id, anime_id
    order by ended_at asc, delivery_number asc
    rows between unbounded preceding and 1 preceding
)
