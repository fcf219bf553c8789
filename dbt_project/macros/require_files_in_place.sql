{#
    Before anything is built: one line where a file that is read in place is not there, or not the one that was
    registered, rather than the numbers of another file.
#}
{% macro require_files_in_place() -%}
    {#- Where views stand over what Spark built, no file is read. -#}
    {%- if execute and target.name != 'lake' and flags.WHICH in ('build', 'run', 'test') -%}
        {%- set registry = source('ingest', 'files_in_place') -%}
        {%- set paths = [] -%}
        {%- if load_relation(registry) is not none -%}
            {%- do paths.extend(run_query('select path from ' ~ registry).columns[0].values()) -%}
        {%- endif -%}
        {%- set query -%}
            select
                files.path,
                files.source,
                files_there.path is null as is_missing
            from {{ registry }} as files
            left join ({{ files_there(paths) }}) as files_there on files.path = files_there.path
            where
                files_there.path is null
                or files.size_bytes <> files_there.size_bytes
                or date_trunc('second', files.modified_at) <> date_trunc('second', files_there.modified_at)
            order by files.path
            limit 1
        {%- endset -%}
        {%- for path, source_name, is_missing in (run_query(query).rows if paths else []) -%}
            {{ exceptions.raise_compiler_error(
                path ~ (" can't be found" if is_missing else ' has changed since it was registered')
                ~ ': `python -m ingest events --in-place --replace` with its flags reads it anew, `python -m ingest remove '
                ~ source_name ~ ' --file ' ~ path.split('/')[-1] ~ '` takes it out'
            ) }}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{# A query of those of some files that are there: path, size_bytes, modified_at (UTC, whole seconds at least). #}
{% macro files_there(paths) -%}
    {{ return(adapter.dispatch('files_there')(paths)) }}
{%- endmacro %}

{% macro default__files_there(paths) -%}
    {#- The engine's list must not be empty, nor name nothing that is there. -#}
    {%- set found = run_query('select file from glob(' ~ text_list(paths) ~ ')').columns[0].values() if paths else [] -%}
    {%- if found -%}
        select
            filename as path,
            size as size_bytes,
            timezone('UTC', last_modified) as modified_at
        from read_blob({{ text_list(found) }})
    {%- else -%}
        select
            cast(null as varchar) as path,
            cast(null as bigint) as size_bytes,
            cast(null as timestamp) as modified_at
        where false
    {%- endif -%}
{%- endmacro %}

{% macro spark__files_there(paths) -%}
    select
        regexp_replace(path, '^file:/+', '/') as path,
        length as size_bytes,
        modificationTime as modified_at
    from binaryFile.{{ pattern_of_files(paths) }}
{%- endmacro %}

{# Texts as DuckDB's list: {{ text_list(['/lake/a.parquet']) }} #}
{% macro text_list(texts) -%}
    [{% for text in texts %}{{ quote_text(text) }}{{ ', ' if not loop.last }}{% endfor %}]
{%- endmacro %}

{# One pattern for all of some files, for Spark's SQL takes but one: {{ pattern_of_files(['/lake/a.parquet']) }} #}
{% macro pattern_of_files(paths) -%}
    `/{ {%- for path in paths %}{{ (path | replace('`', '``'))[1:] }}{{ ',' if not loop.last }}{% endfor -%} }`
{%- endmacro %}
