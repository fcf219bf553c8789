{# What a log tells of an event beside the event itself, as a JSON object: the same text on every engine. #}

{#
    The columns that are kept as properties as a JSON object, or, where there is but one and it holds JSON objects, these
    without spaces between their parts; null where nothing is kept.
    {{ properties_in_place(['plan'], {'plan': {'name': 'plan', 'kind': 'text', 'place': '_column_3'}}) }}
#}
{% macro properties_in_place(names, columns) -%}
    {%- set kept = [] -%}
    {%- for name in names -%} {%- do kept.append(columns[name]) -%} {%- endfor -%}
    {%- if not kept -%}
        cast(null as string)
    {%- elif kept | length > 1 -%}
        {{ json_fields(kept) }}
    {%- else -%}
        {%- set only = text_in_place(kept[0]) -%}
        case
            when {{ only }} is null then null
            {% if kept[0].kind == 'text' -%}
                when substr({{ without_json_spaces(only) }}, 1, 1) = '{' then {{ without_json_spaces(only) }}
            {%- endif %}
            else {{ json_fields(kept) }}
        end
    {%- endif -%}
{%- endmacro %}

{# A JSON object of columns, in their order: {{ json_fields([{'name': 'n', 'kind': 'integer', 'place': '_column_4'}]) }} #}
{% macro json_fields(columns) -%}
    {{ return(adapter.dispatch('json_fields')(columns)) }}
{%- endmacro %}

{% macro default__json_fields(columns) -%}
    cast(json_object(
        {%- for column in columns -%}
            {{ quote_text(column.name) }}, {{ json_value_in_place(column) }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    ) as varchar)
{%- endmacro %}

{% macro spark__json_fields(columns) -%}
    {#- Spark writes numbers with a fraction in a way of its own, so each field is written alone. -#}
    '{' || concat_ws(
        ','
        {%- for column in columns -%}
            {%- if column.kind in ('float', 'decimal') -%}
                {%- set key = "regexp_replace(" ~ _json_field(column.name, 'cast(null as string)') ~ ", 'null$', '')" -%}
                , {{ key }} || coalesce({{ json_number('cast(' ~ column.place ~ ' as double)', column.place ~ '_digits') }}, 'null')
            {%- else -%}
                , {{ _json_field(column.name, json_value_in_place(column)) }}
            {%- endif -%}
        {%- endfor -%}
    ) || '}'
{%- endmacro %}

{# Spark's `"name":value`. #}
{% macro _json_field(name, value) -%}
    regexp_replace(
        to_json(named_struct({{ quote_text(name) }}, {{ value }}), map('ignoreNullFields', 'false')), '^[{]|[}]$', ''
    )
{%- endmacro %}

{# A column's value as JSON can hold it: {{ json_value_in_place({'kind': 'date', 'place': '_column_4'}) }} #}
{% macro json_value_in_place(column) -%}
    {%- if column.kind == 'timestamptz' -%}
        {{ iso_timestamp(as_utc(column.place)) }}
    {%- elif column.kind == 'timestamp' -%}
        cast(cast({{ column.place }} as timestamp) as string)
    {%- elif column.kind == 'date' -%}
        cast({{ column.place }} as string)
    {%- elif column.kind == 'float' -%}
        case when {{ is_finite(column.place) }} then {{ column.place }} end
    {%- elif column.kind == 'null' -%}
        cast(null as string)
    {%- else -%}
        {{ column.place }}
    {%- endif -%}
{%- endmacro %}

{# A UTC timestamp as 2025-01-31T10:15:00.000000Z: {{ iso_timestamp('occurred_at') }} #}
{% macro iso_timestamp(timestamp) -%}
    {{ return(adapter.dispatch('iso_timestamp')(timestamp)) }}
{%- endmacro %}

{% macro default__iso_timestamp(timestamp) -%}
    strftime({{ timestamp }}, '%Y-%m-%dT%H:%M:%S.%fZ')
{%- endmacro %}

{% macro spark__iso_timestamp(timestamp) -%}
    date_format({{ timestamp }}, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'")
{%- endmacro %}

{# JSON text without the spaces between its parts: {{ without_json_spaces('properties') }} #}
{% macro without_json_spaces(text) -%}
    {{ return(adapter.dispatch('without_json_spaces')(text)) }}
{%- endmacro %}

{% macro default__without_json_spaces(text) -%}
    regexp_replace({{ text }}, {{ quote_text('("(?:[^"\\\\]|\\\\.)*")|[ \\t\\r\\n]+') }}, '\1', 'g')
{%- endmacro %}

{% macro spark__without_json_spaces(text) -%}
    {#- What matched once is never tried again: long texts would need a deep stack. -#}
    regexp_replace({{ text }}, {{ quote_text('("(?:[^"\\\\]++|\\\\.)*+")|[ \\t\\r\\n]+') }}, '$1')
{%- endmacro %}

{#
    A double as DuckDB writes it in JSON, on Spark: written out from 0.000001 to below 1e21. `digits` is its
    shortest_double: {{ json_number('_column_5', '_column_5_digits') }}
#}
{% macro json_number(number, digits) -%}
    case
        when {{ digits }} is not null and (abs({{ number }}) < 0.000001 or abs({{ number }}) >= 1e21)
            then {{ _mantissa(digits) }} || 'e' || cast(cast(split_part({{ digits }}, 'e', 2) as int) as string)
        else {{ _written_out(number, digits) }}
    end
{%- endmacro %}

{# A double's text as DuckDB writes it, null where it is no number: {{ double_text('_column_5') }} #}
{% macro double_text(number) -%}
    {{ return(adapter.dispatch('double_text')(number)) }}
{%- endmacro %}

{% macro default__double_text(number) -%}
    case when {{ is_finite(number) }} then cast({{ number }} as varchar) end
{%- endmacro %}

{% macro spark__double_text(number) -%}
    {%- set digits = shortest_double(number) -%}
    case
        when {{ digits }} is not null and (abs({{ number }}) < 0.0001 or abs({{ number }}) >= 1e16)
            then {{ _mantissa(digits) }} || 'e' || split_part({{ digits }}, 'e', 2)
        else {{ _written_out(number, digits) }}
    end
{%- endmacro %}

{% macro _mantissa(digits) -%}
    regexp_replace(split_part({{ digits }}, 'e', 1), '[.]?0+$', '')
{%- endmacro %}

{# Spark's text of a double, with more digits or written out where its own is not. #}
{% macro _written_out(number, digits) -%}
    case
        when not {{ is_finite(number) }} then null
        when {{ digits }} is null then cast({{ number }} as string)
        else regexp_replace(
            regexp_replace(
                case
                    when abs({{ number }}) < 1000000 then cast(cast({{ digits }} as decimal(38, 24)) as string)
                    else cast(cast({{ digits }} as decimal(38, 10)) as string)
                end,
                '0+$',
                ''
            ),
            '[.]$',
            '.0'
        )
    end
{%- endmacro %}

{#
    The fewest digits that tell a double from its neighbours, as 1.25e-07, on Spark; null where Spark's own text of it is
    as short, and is written out: with Java 17 it has now and then a digit more. {{ shortest_double('_column_5') }}
#}
{% macro shortest_double(number) -%}
    case
        when {{ number }} = 0 or not {{ is_finite(number) }} then null
        when abs({{ number }}) >= 0.001 and abs({{ number }}) < 10000000 and length(cast({{ number }} as string)) < 17
            then null
        when cast(format_string('%.14e', {{ number }}) as double) = {{ number }}
            then format_string('%.14e', {{ number }})
        when cast(format_string('%.15e', {{ number }}) as double) = {{ number }}
            then format_string('%.15e', {{ number }})
        else format_string('%.16e', {{ number }})
    end
{%- endmacro %}
