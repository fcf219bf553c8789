{# The rows of a seed as literals: a session's bindings make the text None of what is null, and escape no quote. #}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set types = model['config'].get('column_types', {}) -%}
    {%- set rows = [] -%}
    {%- for row in agate_table.rows -%}
        {%- set values = [] -%}
        {%- for name in agate_table.column_names -%}
            {%- set type = types.get(name, adapter.convert_type(agate_table, loop.index0)) -%}
            {%- set value = row[loop.index0] -%}
            {%- do values.append(cast('null' if value is none else quote_text(value), type)) -%}
        {%- endfor -%}
        {%- do rows.append('(' ~ values | join(', ') ~ ')') -%}
    {%- endfor -%}
    {%- set statement = 'insert overwrite ' ~ this ~ ' values ' ~ rows | join(', ') -%}
    {%- do run_query(statement) -%}
    {%- do return(statement) -%}
{%- endmacro %}
