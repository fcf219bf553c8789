{#
    The events that an incremental model over whole users has to read: all at first; later, all events of those users
    of whom any event was loaded since, however early it happened. The model holds source, user_id and loaded_at and
    replaces whole users: with events as ( {{ events_of_touched_users() }} )
#}
{% macro events_of_touched_users() -%}
    {%- if is_incremental() -%}
    select events.*
    from {{ ref('fct_events') }} as events
    inner join (
        select distinct
            arrivals.source,
            arrivals.user_id
        from {{ ref('fct_events') }} as arrivals
        left join (
            select
                source,
                max(loaded_at) as loaded_at
            from {{ this }}
            group by source
        ) as watermarks on arrivals.source = watermarks.source
        -- Two loads of the same instant: the second may have come after the first was read.
        left join (
            select loaded_at
            from {{ ref('stg_ingest__loads') }}
            group by loaded_at
            having count(*) > 1
        ) as ties on watermarks.loaded_at = ties.loaded_at
        where
            arrivals.loaded_at > coalesce(watermarks.loaded_at, timestamp '1900-01-01')
            or arrivals.loaded_at = ties.loaded_at
    ) as touched on events.source = touched.source and events.user_id = touched.user_id
    {%- else -%}
    select * from {{ ref('fct_events') }}
    {%- endif -%}
{%- endmacro %}
