{# Types as contracts and fixtures write them, in the words that Spark has for them. #}
{% macro spark__cast(field, type) -%}
    cast({{ field }} as {{ spark_type(type) }})
{%- endmacro %}

{% macro spark_type(type) -%}
    {%- if type.endswith('[]') -%}
        array<{{ spark_type(type[:-2]) }}>
    {%- else -%}
        {{ {'varchar': 'string', 'integer': 'int'}.get(type, type) }}
    {%- endif -%}
{%- endmacro %}
