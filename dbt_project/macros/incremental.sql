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

{#
    A model whose old rows rest on vars is built anew, as by --full-refresh, when one of them has another value than it
    was built with: config(meta={'vars': […]}, post_hook="{{ note_vars() }}"). Overrides dbt's own, which looks at its
    flag and at the config full_refresh.
#}
{% macro should_full_refresh() -%}
    {{ return(dbt.should_full_refresh() or has_other_vars()) }}
{%- endmacro %}

{# After a model is built: note its vars, in a view, of which one statement makes a new one on any engine. #}
{% macro note_vars() -%}
    create or replace view {{ noted_vars() }} as select {{ quote_text(tojson(vars_of_model())) }} as vars
{%- endmacro %}

{# Whether a model was built with other vars than now, or with nobody knows which. #}
{% macro has_other_vars() -%}
    {%- if not execute or not vars_of_model() -%} {{ return(false) }} {%- endif -%}
    {%- set noted = noted_vars() -%}
    {%- if not adapter.get_relation(noted.database, noted.schema, noted.identifier) -%} {{ return(true) }} {%- endif -%}
    {{ return(run_query('select vars from ' ~ noted).rows[0][0] != tojson(vars_of_model())) }}
{%- endmacro %}

{% macro noted_vars() -%}
    {{ return(api.Relation.create(this.database, 'intermediate', this.identifier ~ '_vars')) }}
{%- endmacro %}

{% macro vars_of_model() -%}
    {%- set values = {} -%}
    {%- for name in model.config.get('meta', {}).get('vars', []) -%}
        {%- do values.update({name: var(name)}) -%}
    {%- endfor -%}
    {{ return(values) }}
{%- endmacro %}
