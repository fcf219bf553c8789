{#
    P(chi-square with 1 degree of freedom > statistic), the p-value of a test of two groups. No engine has the error
    function, so this is the Chebyshev fit of it in Press et al., Numerical Recipes (erfcc): relative error below 1.2e-7
    everywhere. {{ chi_square_tail('chi_square') }}
#}
{% macro chi_square_tail(statistic) -%}
    {%- set t = '(1 / (1 + 0.5 * sqrt((' ~ statistic ~ ') / 2)))' -%}
    {%- set coefficients = [
        0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368
    ] -%}
    {%- set ns = namespace(sum='0.17087277') -%}
    {%- for coefficient in coefficients[1:] -%}
        {%- set ns.sum = '(' ~ coefficient ~ ' + ' ~ t ~ ' * ' ~ ns.sum ~ ')' -%}
    {%- endfor -%}
    {{ t }} * exp(-({{ statistic }}) / 2 - 1.26551223 + {{ t }} * {{ ns.sum }})
{%- endmacro %}
