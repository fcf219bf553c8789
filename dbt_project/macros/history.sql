{#
    What was known before each row of `int_view_timeline`, by viewer or by title: {{ before('user_id') }} as a named
    window. Rows of the same instant are ordered with 'watched' before 'known', so that a view never counts an
    outcome that is learnt at the very moment it is predicted, its own least of all.
#}
{% macro before(entity) -%}
    partition by {{ entity }}
    order by occurred_at asc, moment desc, event_id asc
    rows between unbounded preceding and 1 preceding
{%- endmacro %}
