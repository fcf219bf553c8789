{#
    Part of the data that a row belongs to, by time. A row whose label was not yet known when its part ended could not
    have been learnt from: embargo. {{ split_by_time('as_of_date', 'as_of_date + 28', 'label is null',
    'validation_starts_on', 'test_starts_on') }}
#}
{% macro split_by_time(moment, known_at, is_open, validation_starts, test_starts) -%}
case
    when {{ is_open }} then 'open'
    when {{ moment }} >= {{ test_starts }} then 'test'
    when {{ moment }} >= {{ validation_starts }}
        then case when {{ known_at }} <= {{ test_starts }} then 'validation' else 'embargo' end
    when {{ known_at }} <= {{ validation_starts }} then 'train'
    else 'embargo'
end
{%- endmacro %}
