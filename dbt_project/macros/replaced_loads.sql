{#
    Before an incremental model adds to itself: forget every source one of whose loads was replaced since (a stand-in
    by a real file, a log made anew), so that it is read anew as a whole. `stamp` is the column that tells the loads
    apart, batch_id or loaded_at: config(pre_hook="{{ forget_replaced_loads('batch_id') }}")
#}
{% macro forget_replaced_loads(stamp) -%}
    {%- if is_incremental() -%}
    delete from {{ this }}
    where source in (
        select source from {{ this }}
        where {{ stamp }} in (
            select {{ stamp }} from {{ ref('stg_ingest__loads') }}
            where not is_current
        )
    )
    {%- endif -%}
{%- endmacro %}
