{#
    The target `lake`: DuckDB over a lake whose tables Spark built. What Spark holds as a table is a view over its Parquet
    files here; what it holds as a view is the same view. All that this target does in its own way is in this file: no
    model knows of it.
#}

{% materialization table, adapter='duckdb' %}
    {{ return(view_of_lake() if target.name == 'lake' else dbt.materialization_table_duckdb()) }}
{% endmaterialization %}

{% materialization incremental, adapter='duckdb' %}
    {{ return(view_of_lake() if target.name == 'lake' else dbt.materialization_incremental_duckdb()) }}
{% endmaterialization %}

{% materialization seed, adapter='duckdb' %}
    {#- dbt counts the rows of the file, whatever is made of it. -#}
    {%- do store_result('agate_table', response='OK', agate_table=load_agate_table()) -%}
    {{ return(view_of_lake() if target.name == 'lake' else dbt.materialization_seed_default()) }}
{% endmaterialization %}

{# The view that stands for a table. Hooks have nothing to do here: they are for rows. #}
{% macro view_of_lake() -%}
    {%- set relation = this.incorporate(type='view') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and not existing.is_view -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
    {%- call statement('main') -%}
        create or replace view {{ relation }} as {{ select_from_lake(model) }}
    {%- endcall -%}
    {%- do persist_docs(relation, model) -%}
    {%- do adapter.commit() -%}
    {{ return({'relations': [relation]}) }}
{%- endmacro %}

{# Before anything is built over a lake: what is there that no model makes; nothing where there is none. #}
{% macro open_lake() -%}
    {{ return(adapter.dispatch('open_lake')()) }}
{%- endmacro %}

{# Seeds are no part of `dbt run`: their views are there before the models that read them. #}
{% macro default__open_lake() -%}
    {%- if execute and target.name == 'lake' and flags.WHICH in ('build', 'run') -%}
        {%- for seed in graph.nodes.values() if seed.resource_type == 'seed' -%}
            create schema if not exists {{ adapter.quote(seed.schema) }};
            create or replace view {{ adapter.quote(seed.schema) }}.{{ adapter.quote(seed.alias) }} as
            {{ select_from_lake(seed) }};
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#
    The query of a table that Spark built, with the types of the model's contract and times in UTC without a zone, as
    everywhere else in DuckDB.
#}
{% macro select_from_lake(node) -%}
    {%- set files = folder_of_lake() ~ '/' ~ node.schema ~ '/' ~ node.alias ~ '/*.parquet' -%}
    {%- if not run_query("select 1 from glob(" ~ quote_text(files) ~ ") limit 1").rows -%}
        {{ exceptions.raise_compiler_error(
            "Spark has not built " ~ node.schema ~ "." ~ node.alias ~ ", there is no " ~ files ~ ": run `dbt build --target spark` first"
        ) }}
    {%- endif -%}
    {%- set source = "read_parquet(" ~ quote_text(files) ~ ", hive_partitioning = false)" -%}
    {%- set found = {} -%}
    {%- for row in run_query("describe select * from " ~ source).rows -%}
        {%- do found.update({row[0]: row[1]}) -%}
    {%- endfor -%}
    {%- if node.config.contract.enforced and found.keys() | sort != node.columns.keys() | sort -%}
        {{ exceptions.raise_compiler_error(
            node.schema ~ "." ~ node.alias ~ " in the lake is of another version: run `dbt build --target spark` first"
        ) }}
    {%- endif -%}
    select
    {%- for name, type in found.items() %}
        {%- set column = adapter.quote(name) -%}
        {%- set value = "timezone('UTC', " ~ column ~ ")" if type == 'TIMESTAMP WITH TIME ZONE' else column -%}
        {%- set declared = node.columns[name].data_type if name in node.columns %}
        {{ "cast(" ~ value ~ " as " ~ declared ~ ")" if declared else value }} as {{ column }}
        {{- "," if not loop.last }}
    {%- endfor %}
    from {{ source }}
{%- endmacro %}

{# The lake's folder, absolute: whoever opens the DuckDB file may stand anywhere. #}
{% macro folder_of_lake() -%}
    {%- set query = "select regexp_replace(path, '/[^/]*$', '') from duckdb_databases() where database_name = current_database()" -%}
    {{ return(run_query(query).rows[0][0]) }}
{%- endmacro %}
