{#
    A sum or mean of fractions, to 12 decimals: no engine promises the order of the summands, and the last digits, and the
    sign of a zero, are of that alone. {{ settled('avg(completion)') }}
#}
{% macro settled(total) -%}
    (round({{ total }}, 12) + 0.0)
{%- endmacro %}
