{#
    How a viewer or a title differs from what was expected, from what is known so far: one step of Fisher scoring from no
    difference, on the logit scale, shrunk by a normal prior (a ridge estimate; Gelman and Hill 2007, ch. 12).
#}

{# The effect, from sums of surprise and information; 0 where nothing is known: {{ shrunken_effect('s', 'i') }} #}
{% macro shrunken_effect(surprise, information) -%}
    coalesce({{ surprise }}, 0) / (coalesce({{ information }}, 0) + 1 / pow({{ var('effect_sd') }}, 2))
{%- endmacro %}

{# The mean of values known, shrunk towards that of all; from their sum and count: {{ shrunken_mean('s', 'n', '0') }} #}
{% macro shrunken_mean(total, members_count, mean_of_all) -%}
    (coalesce({{ total }}, 0) + {{ var('completion_prior_views') }} * {{ mean_of_all }})
    / (coalesce({{ members_count }}, 0) + {{ var('completion_prior_views') }})
{%- endmacro %}

{# A probability moved by an effect: {{ shifted('expected_rate', 'title_effect') }} #}
{% macro shifted(probability, effect) -%}
    1 / (1 + exp(-(ln({{ probability }} / (1 - {{ probability }})) + {{ effect }})))
{%- endmacro %}

{#
    What a report says of how readily a view is gone on from: surprise (outcome less expectation) and information (the
    variance of that), as select list, 0 where nothing was expected yet. After a day those who went on are told from those
    who have not yet: a view gone on from counts as 1, another as the chance that it still will be. The close replaces
    what the first day said. {{ surprises('first_expected', 'closed_expected') }} over columns of int_view_expectations.
#}
{% macro surprises(first_expected, closed_expected) -%}
    {%- set quick = 'first_quick_share * (' ~ first_expected ~ ')' -%}
    {%- set still = '(' ~ first_expected ~ ') * (1 - first_quick_share) / (1 - ' ~ quick ~ ')' -%}
    coalesce(case when is_continued_at_first then 1 else {{ still }} end - ({{ first_expected }}), 0) as first_surprise,
    coalesce(
        ({{ quick }}) * pow(1 - ({{ first_expected }}), 2)
        + (1 - {{ quick }}) * pow({{ still }} - ({{ first_expected }}), 2),
        0
    ) as first_information,
    coalesce(case when is_continued_at_close then 1 else 0 end - ({{ closed_expected }}), 0) as closed_surprise,
    coalesce(({{ closed_expected }}) * (1 - ({{ closed_expected }})), 0) as closed_information
{%- endmacro %}

{#
    How little of an episode was left unwatched, as a logarithm: most views end close to either end, where shares tell
    little apart. Half a thousandth is the least, completions being in thousandths: {{ log_unwatched('completion') }}
#}
{% macro log_unwatched(completion) -%}
    ln(greatest(1 - {{ completion }}, 0.0005))
{%- endmacro %}
