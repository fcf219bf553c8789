{#
    Several columns are a key together. A key with nulls is none, but for columns that are null by design: they are named
    as nullable, and nulls count as equal in them.
#}
{% test unique_together(model, columns, nullable=[]) %}
select
    {{ columns | join(', ') }},
    count(*) as rows_count
from {{ model }}
group by {{ columns | join(', ') }}
having
    count(*) > 1
    {%- for column in columns if column not in nullable %}
    or {{ column }} is null
    {%- endfor %}
{% endtest %}
