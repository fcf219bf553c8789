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

{# MovieLens' fixed list of genres, a list of texts; a movie may have none. {% for genre in movie_genres() %} #}
{% macro movie_genres() -%}
    {{ return([
        'Action', 'Adventure', 'Animation', 'Children', 'Comedy', 'Crime', 'Documentary', 'Drama', 'Fantasy', 'Film-Noir',
        'Horror', 'IMAX', 'Musical', 'Mystery', 'Romance', 'Sci-Fi', 'Thriller', 'War', 'Western'
    ]) }}
{%- endmacro %}
