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

{#
    Part of the data that a user belongs to, all rows alike, by the MD5 of the key (text): the same on every engine and in
    every log. {{ split_by_user('player_id') }}
#}
{% macro split_by_user(user) -%}
{%- set validation_starts = [(var('train_share') * 2 ** 32) | round | int, 2 ** 32 - 1] | min -%}
{%- set test_starts = [((var('train_share') + var('validation_share')) * 2 ** 32) | round | int, 2 ** 32 - 1] | min -%}
case
    when substr(md5({{ user }}), 1, 8) < '{{ '%08x' | format(validation_starts) }}' then 'train'
    when substr(md5({{ user }}), 1, 8) < '{{ '%08x' | format(test_starts) }}' then 'validation'
    else 'test'
end
{%- endmacro %}
