{#
    How the ladder of events grows: by whole loads, told by their numbers, and for each user of whom any event came.
    Late events and events out of order then end in the tables that a full refresh makes.
#}

{#
    Before an incremental model adds to itself: forget every source of which rows were taken away since (a stand-in that
    gave way to a real file, a log made anew, a load removed), and all of them when a var has changed, so that they are
    read anew as a whole. The model holds source, load_number, revision and settings:
    config(pre_hook="{{ forget_changed_sources() }}")
#}
{% macro forget_changed_sources() -%}
    {%- if is_incremental() -%}
    {%- set columns = adapter.get_columns_in_relation(this) | map(attribute='name') | list -%}
    {%- if columns and 'settings' not in columns -%}
        {{ exceptions.raise_compiler_error(
            this.identifier ~ " was built by an older version: run `dbt build --full-refresh` once"
        ) }}
    {%- endif -%}
    delete from {{ this }}
    where source in (
        select held.source
        from (select distinct source, load_number, revision, settings from {{ this }}) as held
        left join {{ ref('stg_ingest__loads') }} as loads
            on
                held.source = loads.source
                and held.load_number = loads.load_number
                and held.revision = loads.revision
                and held.settings = {{ settings_of_model() }}
                and loads.is_current
        where loads.load_number is null
    )
    {%- endif -%}
{%- endmacro %}

{#
    The loads that an incremental model has not read yet. The model holds source and load_number, of every event or the
    newest: semi join ({{ new_loads() }}) as new_loads on arrivals.load_number = new_loads.load_number
#}
{% macro new_loads() -%}
    select loads.*
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

{#
    The vars that the rows of a model rest on, as one text: config(meta={'vars': […]}) names them, the rows hold it, so
    that those of other vars are told: {{ settings_of_model() }} as settings
#}
{% macro settings_of_model() -%}
    {%- set values = {} -%}
    {%- for name in model.config.meta.vars -%}
        {%- do values.update({name: var(name)}) -%}
    {%- endfor -%}
    '{{ local_md5(tojson(values)) }}'
{%- endmacro %}
