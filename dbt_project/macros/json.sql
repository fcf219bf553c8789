{# The text of one field of a JSON object; null without it: {{ json_text('properties', 'device') }} #}
{% macro json_text(object, field) -%}
    {{ return(adapter.dispatch('json_text')(object, field)) }}
{%- endmacro %}

{% macro default__json_text(object, field) -%}
    json_extract_string({{ object }}, '$.{{ field }}')
{%- endmacro %}

{% macro spark__json_text(object, field) -%}
    get_json_object({{ object }}, '$.{{ field }}')
{%- endmacro %}
