{#
    The tables that training writes, declared here and nowhere else. They exist, empty, before any model
    was trained, so that the views over them work from the first `dbt build` on.
#}
{% macro ml_tables() -%}
    {%- do return({
        'model_runs': [
            'run_id varchar not null',
            'task varchar not null',
            'model_version varchar not null',
            'estimator varchar not null',
            'trained_at timestamp not null',
            'feature_model varchar not null',
            'feature_names varchar not null',
            'library_versions varchar not null',
            'seed bigint not null',
            'train_rows_count bigint not null',
            'validation_rows_count bigint not null',
            'test_rows_count bigint not null',
            'train_from timestamp',
            'train_to timestamp',
            'test_from timestamp',
            'test_to timestamp',
            'train_seconds double not null',
            'model_file varchar not null',
        ],
        'metrics': [
            'run_id varchar not null',
            'task varchar not null',
            'estimator varchar not null',
            'split varchar not null',
            'metric varchar not null',
            'value double',
            'ci_low double',
            'ci_high double',
        ],
        'scores': [
            'run_id varchar not null',
            'task varchar not null',
            'entity_id varchar not null',
            'as_of timestamp not null',
            'split varchar not null',
            'label boolean',
            'probability double not null',
        ],
        'feature_importance': [
            'run_id varchar not null',
            'task varchar not null',
            'estimator varchar not null',
            'feature varchar not null',
            'importance_mean double not null',
            'importance_sd double not null',
        ],
    }) -%}
{%- endmacro %}

{% macro create_ml_tables() -%}
    {%- if execute and flags.WHICH in ('build', 'run', 'test', 'compile', 'show', 'seed', 'snapshot') -%}
        {{ return(adapter.dispatch('create_ml_tables')()) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__create_ml_tables() -%}
    create schema if not exists ml;
    {%- for name, columns in ml_tables().items() %}
    create table if not exists ml.{{ name }} ({{ columns | join(', ') }});
    {%- endfor -%}
{%- endmacro %}

{# A file for each training run, in the lake's own folder; one statement at a time is all that a session takes. #}
{% macro spark__create_ml_tables() -%}
    {%- set folder = read_lake().folder -%}
    {%- do run_query('create database if not exists ml location ' ~ quote_text(folder ~ '/metastore/ml')) -%}
    {%- for name, columns in ml_tables().items() -%}
        {%- do run_query(
            'create table if not exists ml.' ~ name ~ ' (' ~ columns | join(', ') | replace('varchar', 'string')
            ~ ') using parquet location ' ~ quote_text(folder ~ '/ml/' ~ name)
        ) -%}
    {%- endfor -%}
{%- endmacro %}
