-- Events in are events out: a join that drops or doubles views would change every number after it.
with landed as (
    select count(*) as rows_count from {{ source('viewing', 'viewing_events') }}
),

modelled as (
    select count(*) as rows_count from {{ ref('fct_episode_views') }}
),

predicted as (
    select count(*) as rows_count from {{ ref('feat_next_episode') }}
),

predictable as (
    select count(*) as rows_count from {{ ref('fct_episode_views') }}
    where not is_last_episode
)

select
    landed.rows_count as landed_count,
    modelled.rows_count as modelled_count,
    predictable.rows_count as predictable_count,
    predicted.rows_count as predicted_count
from landed
cross join modelled
cross join predictable
cross join predicted
where landed.rows_count <> modelled.rows_count or predictable.rows_count <> predicted.rows_count
