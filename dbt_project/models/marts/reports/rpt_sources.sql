with sources as (
    select * from {{ ref('dim_sources') }}
)

select
    cast(row_number() over (order by source asc) as bigint) as sort_order,
    source,
    origin,
    origin_label,
    file_name,
    licence,
    rows_read,
    rows_loaded,
    rows_rejected,
    rows_duplicate,
    loaded_at
from sources
