{# A column holds shares: nothing below 0 or above 1. #}
{% test is_share(model, column_name) %}
select {{ column_name }}
from {{ model }}
where not {{ column_name }} between 0 and 1
{% endtest %}
