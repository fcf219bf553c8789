{# Whole numbers as sets of bits: DuckDB and Spark write a shift differently. #}

{# Bits moved up, so that bit 0 becomes bit `count`: {{ shift_left('1', 'day_slot') }} as bigint #}
{% macro shift_left(bits, count) -%}
    {{ return(adapter.dispatch('shift_left')(bits, count)) }}
{%- endmacro %}

{% macro default__shift_left(bits, count) -%}
    (cast({{ bits }} as bigint) << cast({{ count }} as bigint))
{%- endmacro %}

{% macro spark__shift_left(bits, count) -%}
    shiftleft(cast({{ bits }} as bigint), cast({{ count }} as int))
{%- endmacro %}

{# Bits moved down, so that bit `count` becomes bit 0: {{ shift_right('ring', 'day_slot') }} #}
{% macro shift_right(bits, count) -%}
    {{ return(adapter.dispatch('shift_right')(bits, count)) }}
{%- endmacro %}

{% macro default__shift_right(bits, count) -%}
    (cast({{ bits }} as bigint) >> cast({{ count }} as bigint))
{%- endmacro %}

{% macro spark__shift_right(bits, count) -%}
    shiftright(cast({{ bits }} as bigint), cast({{ count }} as int))
{%- endmacro %}
