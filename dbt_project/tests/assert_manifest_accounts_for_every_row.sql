-- Nothing is lost on the way in: what the manifest says was rejected is among the rejects, unless it was taken back.
with loads as (
    select * from {{ ref('stg_ingest__loads') }}
),

rejects as (
    select
        batch_id,
        count(*) as rows_count
    from {{ ref('stg_ingest__rejects') }}
    group by batch_id
)

select
    loads.batch_id,
    loads.rows_rejected,
    rejects.rows_count
from loads
left join rejects on loads.batch_id = rejects.batch_id
where
    (loads.is_current and loads.rows_rejected <> coalesce(rejects.rows_count, 0))
    or loads.rows_read <> loads.rows_loaded + loads.rows_rejected + loads.rows_duplicate
