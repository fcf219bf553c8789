{# Where Spark finds the raw tables: a lake that `python -m ingest publish` wrote, read as its manifest tells. #}

{% macro lake_path() -%}
    {{ return(env_var('LAKE_PATH', 'lake')) }}
{%- endmacro %}

{# The tables that the lake's manifest names, in Spark's catalogue. #}
{% macro spark__open_lake() -%}
    {%- if execute and flags.WHICH in ('build', 'run', 'test', 'compile', 'show', 'seed') -%}
        {%- do require_utc() -%}
        {%- set lake = read_lake() -%}
        {%- set publication = lake.folder ~ ' ' ~ lake.publication -%}
        {%- if registered_publication() != publication -%}
            {%- for schema in ('raw', 'truth') -%}
                {%- do register_schema(lake, schema) -%}
            {%- endfor -%}
            {#- Last: what was interrupted is done again. -#}
            {%- do run_query("alter database raw set dbproperties ('publication' = " ~ quote_text(publication) ~ ")") -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro require_utc() -%}
    {%- set zone = run_query('select current_timezone()').rows[0][0] -%}
    {%- if zone != 'UTC' -%}
        {{ exceptions.raise_compiler_error(
            "the Spark session is in the time zone " ~ zone
            ~ " and would cut days there: set spark.sql.session.timeZone to UTC"
        ) }}
    {%- endif -%}
{%- endmacro %}

{# The lake's manifest: the folder as an absolute address, the publication, the tables. #}
{% macro read_lake() -%}
    {%- set lines = run_query(
        "select value, _metadata.file_path from text.`" ~ lake_path() ~ "/lake.json`"
    ).rows -%}
    {%- set head = fromjson(lines[0][0]) -%}
    {%- if head.lake_version != 1 -%}
        {{ exceptions.raise_compiler_error(
            lake_path() ~ " is a lake of another version of this project: `python -m ingest publish` to a new folder"
        ) }}
    {%- endif -%}
    {%- set tables = [] -%}
    {%- for line in lines[1:] -%}
        {%- do tables.append(fromjson(line[0])) -%}
    {%- endfor -%}
    {%- do return({
        'folder': lines[0][1][:-('/lake.json' | length)],
        'publication': head.publication,
        'tables': tables
    }) -%}
{%- endmacro %}

{# The publication whose tables are in the catalogue; none where they never were, or not all. #}
{% macro registered_publication() -%}
    {%- if 'raw' in run_query('show databases').columns[0].values() -%}
        {%- for row in run_query('describe database extended raw').rows if row[0] == 'Properties' -%}
            {%- do return(row[1][('((publication,' | length):-2]) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{% macro register_schema(lake, schema) -%}
    {#- Not where its tables lie: dropping a database deletes its folder, dropping an external table nothing. -#}
    {%- do run_query(
        'create database if not exists ' ~ schema ~ ' location ' ~ quote_text(lake.folder ~ '/metastore/' ~ schema)
    ) -%}
    {%- for row in run_query('show tables in ' ~ schema).rows -%}
        {%- do run_query('drop table ' ~ schema ~ '.' ~ adapter.quote(row[1])) -%}
    {%- endfor -%}
    {%- for table in lake.tables if table.schema == schema -%}
        {%- do register_table(lake.folder, table) -%}
    {%- endfor -%}
{%- endmacro %}

{# A table of files that are there; of a table in parts, only the parts that the manifest names. #}
{% macro register_table(folder, table) -%}
    {%- set name = table.schema ~ '.' ~ adapter.quote(table.table) -%}
    {%- set columns = [] -%}
    {%- for column in table.columns -%}
        {%- do columns.append(adapter.quote(column.name) ~ ' ' ~ column.type) -%}
    {%- endfor -%}
    {%- do run_query(
        'create table ' ~ name ~ ' (' ~ columns | join(', ') ~ ') using parquet '
        ~ ('partitioned by (' ~ table.partitioned_by ~ ')' if table.partitioned_by else '')
        ~ ' location ' ~ quote_text(folder ~ '/' ~ table.folder)
    ) -%}
    {%- if table.parts -%}
        {%- set parts = [] -%}
        {%- for part in table.parts -%}
            {%- do parts.append(
                'partition (' ~ table.partitioned_by ~ ' = ' ~ quote_text(part.batch_id) ~ ') location '
                ~ quote_text(folder ~ '/' ~ part.folder)
            ) -%}
        {%- endfor -%}
        {%- do run_query('alter table ' ~ name ~ ' add ' ~ parts | join(' ')) -%}
    {%- endif -%}
{%- endmacro %}

{# Schemas that dbt makes: their tables lie in the lake, where other programs look for them. #}
{% macro spark__create_schema(relation) -%}
    {%- do run_query(
        'create schema if not exists ' ~ relation.schema ~ ' location ' ~ quote_text(lake_path() ~ '/' ~ relation.schema)
    ) -%}
{%- endmacro %}

{#
    Where a table's files lie, below its schema's folder. Said, so that what a build left there that was stopped half-way is
    written over (spark.sql.legacy.allowNonEmptyLocationInCTAS); Spark refuses a folder that it chose itself.
#}
{% macro spark__location_clause() -%}
    {%- if config.get('file_format') == 'parquet' -%}
        location {{ quote_text(model.alias) }}
    {%- endif -%}
{%- endmacro %}
