{# Definitions that people argue about, a line each; their thresholds are vars. #}

{# A rating that shows engagement: {{ is_engaged_rating('rating') }} #}
{% macro is_engaged_rating(rating) -%}
    ({{ rating }} >= {{ var('engaged_rating') }})
{%- endmacro %}

{# An event that reaches the goal of a session: {{ is_conversion('event_name') }} #}
{% macro is_conversion(event_name) -%}
    ({{ event_name }} in ('{{ var('conversion_events') | join("', '") }}'))
{%- endmacro %}
