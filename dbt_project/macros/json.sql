{#
    The text of one field of a JSON object, whatever its name holds (dots, quotes, brackets); null without it.
    {{ json_text('properties', 'utm.source') }}
#}
{% macro json_text(object, field) -%}
    {{ return(adapter.dispatch('json_text')(object, field)) }}
{%- endmacro %}

{% macro default__json_text(object, field) -%}
    {#- A JSON pointer: in a path (`$.field`) a dot would be a step down. -#}
    json_extract_string({{ object }}, {{ quote_text('/' ~ (field | string | replace('~', '~0') | replace('/', '~1'))) }})
{%- endmacro %}

{% macro spark__json_text(object, field) -%}
    {#- A path can't name every field here either; a map can. -#}
    try_element_at(from_json({{ object }}, 'map<string,string>'), {{ quote_text(field) }})
{%- endmacro %}
