{#
    How the ladder of events grows: whole users, whenever any event of theirs was loaded. Late events, events out of
    order and events delivered twice then end in the tables that a full refresh makes.
#}

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

{#
    The events of the loads that an incremental model has not read yet. The model holds source, user_id and loaded_at,
    and replaces whole users: arrivals as ( {{ events_of_new_loads() }} )
#}
{% macro events_of_new_loads() -%}
    {%- set loads = ref('stg_ingest__loads') -%}
    select arrivals.*
    from {{ ref('fct_events') }} as arrivals
    -- The few loads by their time, not all events by theirs: the engine skips what was stored before.
    inner join (
        select distinct
            loads.source,
            loads.loaded_at
        from {{ loads }} as loads
        left join (
            select
                source,
                max(loaded_at) as loaded_at
            from {{ this }}
            group by source
        ) as watermarks on loads.source = watermarks.source
        -- Of two loads of the same instant, the second may have come after the first was read.
        left join (
            select
                source,
                loaded_at
            from {{ loads }}
            group by source, loaded_at
            having count(*) > 1
        ) as ties on loads.source = ties.source and loads.loaded_at = ties.loaded_at
        where
            loads.is_current
            and (
                watermarks.loaded_at is null
                or loads.loaded_at > watermarks.loaded_at
                or (loads.loaded_at = watermarks.loaded_at and ties.loaded_at is not null)
            )
    ) as new_loads on arrivals.source = new_loads.source and arrivals.loaded_at = new_loads.loaded_at
{%- endmacro %}

{#
    After sessions were added: a source that has just had its first conversion has unconverted sessions among those
    that were not read again: config(post_hook="{{ settle_conversions() }}")
#}
{% macro settle_conversions() -%}
    {%- if is_incremental() -%}
    update {{ this }}
    set has_converted = false
    where has_converted is null and source in (select source from {{ this }} where has_converted)
    {%- endif -%}
{%- endmacro %}
