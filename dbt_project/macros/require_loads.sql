{# Before anything is built or tested: one line where nothing was ever loaded, not an error for each table. #}
{% macro require_loads() -%}
    {%- if execute and flags.WHICH in ('build', 'run', 'test') -%}
        {%- if not adapter.get_relation(target.database, 'raw', 'load_manifest') -%}
            {{ exceptions.raise_compiler_error(
                "nothing is loaded in " ~ (target.path or target.name) ~ ": run `python -m ingest` first, or set WAREHOUSE_PATH"
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
