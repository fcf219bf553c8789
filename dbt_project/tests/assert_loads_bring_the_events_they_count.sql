-- What the manifest says a load of an event log brought is what the stream has of it: the counts of a file in place
-- come from ingest, its events from the models' own reading of it.
with loads as (
    select * from {{ ref('stg_ingest__loads') }}
),

streamed as (
    select
        batch_id,
        count(*) as events_count
    from {{ ref('fct_events') }}
    group by batch_id
)

select
    loads.batch_id,
    loads.rows_loaded,
    streamed.events_count
from loads
left join streamed on loads.batch_id = streamed.batch_id
where
    loads.is_current
    and loads.source not in ('anime', 'movielens', 'steam', 'viewing')
    and loads.rows_loaded <> coalesce(streamed.events_count, 0)
