with loads as (
    select * from {{ ref('stg_ingest__loads') }}
),

-- A log that grew has several current loads: their rows add up, the newest names the file.
summed as (
    select
        source,
        max_by(origin, loaded_at) as origin,
        max_by(file_name, loaded_at) as file_name,
        max_by(sha256, loaded_at) as sha256,
        max_by(licence, loaded_at) as licence,
        cast(count(*) as bigint) as loads_count,
        cast(sum(rows_read) as bigint) as rows_read,
        cast(sum(rows_loaded) as bigint) as rows_loaded,
        cast(sum(rows_rejected) as bigint) as rows_rejected,
        cast(sum(rows_duplicate) as bigint) as rows_duplicate,
        max(loaded_at) as loaded_at
    from loads
    where is_current
    group by source
),

labelled as (
    select
        *,
        case origin
            when 'real' then 'rows of a file that was given'
            when 'simulated' then 'drawn from a model whose truth is known'
            when 'stand-in' then 'generated in the layout of the real file'
        end as origin_label
    from summed
)

select * from labelled
