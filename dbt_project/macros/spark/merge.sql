{#
    The ladder's strategy, delete+insert, on table formats that grow (Iceberg, Delta), as one statement: what is to be
    inserted is read from the table itself, so that a delete before it would take away what it reads.
#}

{# dbt-spark knows this strategy under no name. #}
{% macro dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format) -%}
    {%- if raw_strategy != 'delete+insert' -%}
        {{ exceptions.raise_compiler_error("no incremental strategy but delete+insert is written for Spark: " ~ raw_strategy) }}
    {%- endif -%}
    {%- do return(raw_strategy) -%}
{%- endmacro %}

{% macro dbt_spark_get_incremental_sql(strategy, source, target, existing, unique_key, incremental_predicates) -%}
    {%- set columns = adapter.get_columns_in_relation(target) | map(attribute='name') | list -%}
    {{ merge_delete_insert(source, target, [unique_key] if unique_key is string else unique_key, columns) }}
{%- endmacro %}

{#
    Each key that comes in goes, by a row that marks it and is null but for the key; each row that comes in is added, and
    matches nothing.
#}
{% macro merge_delete_insert(source, target, keys, columns) -%}
    merge into {{ target }} as held
    using (
        select
            true as is_arrival,
            {{ columns | join(', ') }}
        from {{ source }}
        union all
        select distinct
            false as is_arrival,
            {% for column in columns -%}
            {{ column if column in keys else 'null as ' ~ column }}{{ ',' if not loop.last }}
            {% endfor -%}
        from {{ source }}
    ) as arrivals
    on
        not arrivals.is_arrival
        {%- for key in keys %}
        and held.{{ key }} = arrivals.{{ key }}
        {%- endfor %}
    when matched then delete
    when not matched and arrivals.is_arrival then
        insert ({{ columns | join(', ') }})
        values (arrivals.{{ columns | join(', arrivals.') }})
{%- endmacro %}
