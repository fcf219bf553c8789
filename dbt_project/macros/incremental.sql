{#
    How the ladder of events grows: by whole loads, told by their numbers, and for each user of whom any event came.
    Late events and events out of order then end in the tables that a full refresh makes.
#}

{#
    Before an incremental model adds to itself: forget every source of which rows were taken away since (a stand-in that
    gave way to a real file, a log made anew, a load removed), so that it is read anew as a whole. The model holds
    source, load_number and revision: config(pre_hook="{{ forget_changed_sources() }}")
#}
{% macro forget_changed_sources() -%}
    {%- if is_incremental() -%}
    delete from {{ this }}
    where source in (
        select held.source
        from (select distinct source, load_number, revision from {{ this }}) as held
        left join {{ ref('stg_ingest__loads') }} as loads
            on
                held.source = loads.source
                and held.load_number = loads.load_number
                and held.revision = loads.revision
                and loads.is_current
        where loads.load_number is null
    )
    {%- endif -%}
{%- endmacro %}

{#
    Numbers of the loads that an incremental model has not read yet. The model holds source and load_number, of every
    event or the newest: where load_number in ({{ new_load_numbers() }})
#}
{% macro new_load_numbers() -%}
    select loads.load_number
    from {{ ref('stg_ingest__loads') }} as loads
    left join (
        select
            source,
            max(load_number) as load_number
        from {{ this }}
        group by source
    ) as watermarks on loads.source = watermarks.source
    where loads.is_current and loads.load_number > coalesce(watermarks.load_number, 0)
{%- endmacro %}
