{#
    95 % intervals, in one place.
    Wilson (1927): the interval of a share that stays inside 0 and 1 and holds at small counts.
    Greenwood (1926), on the log-minus-log scale (Kalbfleisch and Prentice): the interval of a survival curve.
#}

{% macro z_score() -%} 1.959963984540054 {%- endmacro %}

{# Lower and upper end for a share: {{ wilson_low('continued_count', 'at_risk_count') }}; null when nobody counts. #}
{% macro wilson_low(successes, trials) -%}
    {{ _wilson_end(successes, trials, '-') }}
{%- endmacro %}

{% macro wilson_high(successes, trials) -%}
    {{ _wilson_end(successes, trials, '+') }}
{%- endmacro %}

{% macro _wilson_end(successes, trials, sign) -%}
    (
        (
            {{ successes }} + pow({{ z_score() }}, 2) / 2
            {{ sign }} {{ z_score() }} * sqrt(
                {{ successes }} * (1 - {{ successes }} / nullif({{ trials }}, 0)) + pow({{ z_score() }}, 2) / 4
            )
        ) / (nullif({{ trials }}, 0) + pow({{ z_score() }}, 2))
    )
{%- endmacro %}

{#
    Lower and upper end of a survival estimate, from it and the running sum of stopped / (at risk x continued):
    {{ survival_low('survival', 'greenwood_sum') }}; null where the curve stands at 0 or 1.
#}
{% macro survival_low(survival, greenwood_sum) -%}
    {{ _survival_end(survival, greenwood_sum, '-') }}
{%- endmacro %}

{% macro survival_high(survival, greenwood_sum) -%}
    {{ _survival_end(survival, greenwood_sum, '+') }}
{%- endmacro %}

{% macro _survival_end(survival, greenwood_sum, sign) -%}
    case
        when {{ survival }} > 0 and {{ survival }} < 1
            then pow(
                {{ survival }},
                exp({{ sign }} {{ z_score() }} * sqrt({{ greenwood_sum }}) / ln({{ survival }}))
            )
    end
{%- endmacro %}
