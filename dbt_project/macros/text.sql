{# Text of the project's settings as SQL. #}

{#
    Any text as an SQL string, quotes and all: every var whose text goes into a query is written by this.
    {{ quote_text("it's done") }}
#}
{% macro quote_text(text) -%}
    {{ return(adapter.dispatch('quote_text')(text)) }}
{%- endmacro %}

{% macro default__quote_text(text) -%}
    '{{ text | string | replace("'", "''") }}'
{%- endmacro %}

{% macro spark__quote_text(text) -%}
    '{{ text | string | replace("\\", "\\\\") | replace("'", "\\'") }}'
{%- endmacro %}
