{#
    A sum or mean of fractions, to 12 decimals: no engine promises the order of the summands, and the last digits, and the
    sign of a zero, are of that alone. {{ settled('avg(completion)') }}
#}
{% macro settled(total) -%}
    (round({{ total }}, 12) + 0.0)
{%- endmacro %}

{#
    A fraction to 30 binary digits (nine decimals), so that a sum of such is exact and any order of its summands gives the
    same: up to 8 million of them below 1, or as many fewer as they are larger. sum({{ summable('completion') }})
#}
{% macro summable(fraction) -%}
    (round(({{ fraction }}) * 1073741824) / 1073741824)
{%- endmacro %}
