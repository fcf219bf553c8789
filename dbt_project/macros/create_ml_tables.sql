{#
    The tables that training writes, declared here and nowhere else. They exist, empty, before any model
    was trained, so that the views over them work from the first `dbt build` on.
#}
{% macro ml_tables() -%}
    {%- do return({
        'model_runs': [
            'run_id varchar not null',
            'task varchar not null',
            'source varchar',
            'splitter varchar',
            'label_kind varchar',
            'model_version varchar not null',
            'estimator varchar not null',
            'calibration varchar',
            'parameters varchar',
            'decision_threshold double',
            'trained_at timestamp not null',
            'feature_model varchar not null',
            'feature_names varchar not null',
            'unused_features varchar',
            'library_versions varchar not null',
            'seed bigint not null',
            'data_fingerprint varchar',
            'data_batches varchar',
            'code_fingerprint varchar',
            'git_commit varchar',
            'train_rows_count bigint not null',
            'validation_rows_count bigint not null',
            'test_rows_count bigint not null',
            'refit_rows_count bigint',
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
            'as_of timestamp',
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
        'shap_values': [
            'run_id varchar not null',
            'task varchar not null',
            'entity_id varchar not null',
            'feature varchar not null',
            'feature_value varchar',
            'shap_value double not null',
            'expected_log_odds double not null',
        ],
        'curves': [
            'run_id varchar not null',
            'task varchar not null',
            'estimator varchar not null',
            'curve varchar not null',
            'point bigint not null',
            'threshold double',
            'x double not null',
            'y double not null',
        ],
        'slices': [
            'run_id varchar not null',
            'task varchar not null',
            'estimator varchar not null',
            'slice varchar not null',
            'slice_value varchar not null',
            'rows_count bigint not null',
            'users_count bigint not null',
            'positive_count bigint not null',
            'metric varchar not null',
            'value double',
            'ci_low double',
            'ci_high double',
            'gap double',
            'gap_low double',
            'gap_high double',
        ],
        'drift': [
            'run_id varchar not null',
            'task varchar not null',
            'comparison varchar not null',
            'feature varchar not null',
            'reference_rows_count bigint not null',
            'current_rows_count bigint not null',
            'psi double',
            'jensen_shannon double',
        ],
        'audits': [
            'run_id varchar not null',
            'task varchar not null',
            'check_name varchar not null',
            'subject varchar not null',
            'verdict varchar not null',
            'value double',
            'ci_low double',
            'ci_high double',
            'threshold double',
            'detail varchar not null',
        ],
        'run_comparisons': [
            'run_id varchar not null',
            'task varchar not null',
            'other_run_id varchar not null',
            'metric varchar not null',
            'difference double',
            'ci_low double',
            'ci_high double',
            'rows_count bigint not null',
        ],
        'user_outlooks': [
            'run_id varchar not null',
            'task varchar not null',
            'source varchar not null',
            'entity_id varchar not null',
            'as_of timestamp not null',
            'p_alive double not null',
            'expected_active_days double not null',
        ],
        'trait_effects': [
            'run_id varchar not null',
            'task varchar not null',
            'trait varchar not null',
            'method varchar not null',
            'effect double',
            'ci_low double',
            'ci_high double',
            'rows_count bigint not null',
            'users_count bigint not null',
            'planted_effect double',
        ],
        'transfers': [
            'run_id varchar not null',
            'task varchar not null',
            'trained_on varchar not null',
            'tested_on varchar not null',
            'metric varchar not null',
            'value double',
            'ci_low double',
            'ci_high double',
            'rows_count bigint not null',
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
    {#- A warehouse of an earlier version keeps its runs, with nulls in what they could not say. #}
    {%- for column in columns %}
    alter table ml.{{ name }} add column if not exists {{ column | replace(' not null', '') }};
    {%- endfor %}
    {%- endfor %}
    alter table ml.scores alter as_of drop not null;
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
