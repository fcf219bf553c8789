{# Definitions that people argue about, a line each; their thresholds are vars. #}

{# A rating that shows engagement: {{ is_engaged_rating('rating') }} #}
{% macro is_engaged_rating(rating) -%}
    ({{ rating }} >= {{ var('engaged_rating') }})
{%- endmacro %}

{# An event that reaches the goal of a session: {{ is_conversion('event_name') }} #}
{% macro is_conversion(event_name) -%}
    {%- set goals = [] -%}
    {%- for goal in var('conversion_events') -%} {%- do goals.append(quote_text(goal)) -%} {%- endfor -%}
    {{ '(' ~ event_name ~ ' in (' ~ goals | join(', ') ~ '))' if goals else 'false' }}
{%- endmacro %}
