{# Lists into rows: DuckDB and Spark have other names for the same thing. #}

{# One row per element, in the select list: select anime_id, {{ explode_list('tags') }} as tag #}
{% macro explode_list(list) -%}
    {{ return(adapter.dispatch('explode_list')(list)) }}
{%- endmacro %}

{% macro default__explode_list(list) -%}
    unnest({{ list }})
{%- endmacro %}

{% macro spark__explode_list(list) -%}
    explode({{ list }})
{%- endmacro %}

{# The list of whole numbers from `first` to `last`: {{ number_list(1, 'episodes_total') }} #}
{% macro number_list(first, last) -%}
    {{ return(adapter.dispatch('number_list')(first, last)) }}
{%- endmacro %}

{% macro default__number_list(first, last) -%}
    generate_series({{ first }}, {{ last }})
{%- endmacro %}

{% macro spark__number_list(first, last) -%}
    sequence({{ first }}, {{ last }})
{%- endmacro %}

{# How many elements a list has: {{ list_length('tags') }} #}
{% macro list_length(list) -%}
    {{ return(adapter.dispatch('list_length')(list)) }}
{%- endmacro %}

{% macro default__list_length(list) -%}
    len({{ list }})
{%- endmacro %}

{% macro spark__list_length(list) -%}
    size({{ list }})
{%- endmacro %}

{#
    The first values of a group as text, in the order of a unique column, aggregated:
    {{ join_in_order('event_name', 'event_number', ' > ', 50) }}
#}
{% macro join_in_order(value, position, separator, limit) -%}
    {{ return(adapter.dispatch('join_in_order')(value, position, separator, limit)) }}
{%- endmacro %}

{% macro default__join_in_order(value, position, separator, limit) -%}
    array_to_string(
        list_transform(
            list_slice(list_sort(list({'position': {{ position }}, 'value': {{ value }}})), 1, {{ limit }}),
            lambda pair: struct_extract(pair, 'value')
        ),
        '{{ separator }}'
    )
{%- endmacro %}

{% macro spark__join_in_order(value, position, separator, limit) -%}
    array_join(
        slice(
            transform(
                array_sort(collect_list(struct({{ position }} as position, {{ value }} as value))),
                pair -> pair.value
            ),
            1,
            {{ limit }}
        ),
        '{{ separator }}'
    )
{%- endmacro %}
