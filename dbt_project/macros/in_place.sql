{#
    Event logs that are read where they lie: Parquet files that `raw.files_in_place` lists, with how each is read.
    What a row is, and why it is no event, is said here as ingest says it of a file that it copies.
#}

{#
    The files that are registered, as a list of their rows with the mapping as an object; empty while dbt parses, and in
    a warehouse that has no registry yet: {%- set files = files_in_place() %}
#}
{% macro files_in_place() -%}
    {%- set files = [] -%}
    {%- set registry = source('ingest', 'files_in_place') -%}
    {%- if execute and load_relation(registry) is not none -%}
        {%- set query -%}
            select
                files.batch_id,
                files.path,
                files.mapping_id,
                files.mapping,
                files.has_repeats,
                files.is_shared,
                loads.rows_rejected > 0 as has_rejects
            from {{ registry }} as files
            inner join {{ source('ingest', 'load_manifest') }} as loads on files.batch_id = loads.batch_id
            order by loads.load_number
        {%- endset -%}
        {%- for row in run_query(query).rows -%}
            {%- do files.append({
                'batch_id': row[0],
                'path': row[1],
                'mapping_id': row[2],
                'mapping': fromjson(row[3]),
                'has_repeats': row[4],
                'is_shared': row[5],
                'has_rejects': row[6],
            }) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(files) }}
{%- endmacro %}

{#
    A query of all rows of some files, each an event or, with a reason, none; of no files, an empty one.
    {{ rows_in_place(files | selectattr('has_rejects')) }}
#}
{% macro rows_in_place(files) -%}
    {%- set files = files | list -%}
    {%- for mapping_id, group in files | groupby('mapping_id') %}
        {{ _rows_of_mapping(group[0].mapping, mapping_id, group | map(attribute='path') | list) }}
        {%- if not loop.last %}
        union all
        {%- endif %}
    {%- endfor %}
    {%- if not files %}
        select
            cast(null as string) as batch_id,
            cast(null as string) as source,
            cast(null as bigint) as load_number,
            cast(null as timestamp) as loaded_at,
            cast(null as string) as file_name,
            cast(null as bigint) as file_row_number,
            cast(null as string) as event_id,
            cast(null as boolean) as is_id_given,
            cast(null as string) as user_id,
            cast(null as string) as session_id,
            cast(null as string) as event_name,
            cast(null as string) as item_id,
            cast(null as timestamp) as occurred_at,
            cast(null as string) as properties,
            cast(null as string) as column_name,
            cast(null as string) as reason,
            cast(null as string) as raw_text
        where false
    {%- endif %}
{%- endmacro %}

{# The same of files that are all read in one way. #}
{% macro _rows_of_mapping(mapping, mapping_id, paths) -%}
    {#- Columns are called by their place: those of the file may have any name. -#}
    {%- set columns = {} -%}
    {%- for column in mapping.columns -%}
        {%- do columns.update({column.name: {
            'kind': column.kind, 'place': '_column_' ~ loop.index0, 'name': column.name
        }}) -%}
    {%- endfor -%}
    {%- set roles = mapping.roles -%}
    {%- set at = columns[roles.at] -%}
    select * from (
        with files as (
            select
                files.batch_id,
                files.source,
                files.path,
                files.content_sha256,
                loads.load_number,
                loads.loaded_at,
                loads.file_name
            from {{ source('ingest', 'files_in_place') }} as files
            inner join {{ source('ingest', 'load_manifest') }} as loads on files.batch_id = loads.batch_id
            where files.mapping_id = '{{ mapping_id }}'
        ),

        delivered as (
            {{ read_in_place(paths, columns.values() | list) }}
        ),

        named as (
            select
                *,
                {{ id_in_place(columns.get(roles.event_id)) }} as given_id,
                {{ id_in_place(columns.get(roles.user)) }} as user_id,
                {{ id_in_place(columns.get(roles.session)) }} as session_id,
                {% if mapping.event_name is not none -%}
                    {{ quote_text(mapping.event_name) }} as event_name,
                {%- else -%}
                    {{ id_in_place(columns.get(roles.event)) }} as event_name,
                {%- endif %}
                {{ id_in_place(columns.get(roles.item)) }} as item_id,
                {{ instant_in_place(at, mapping.time_zone) }} as instant,
                {{ text_in_place(at) }} as at_text
            from delivered
        ),

        {%- if at.kind in ('text', 'integer', 'decimal') %}

            {{ read_time_texts('named', mapping.date_order, mapping.time_zone) }},
        {%- else %}

            timed as (
                select
                    *,
                    cast(null as string) as time_text,
                    instant as occurred_at
                from named
            ),
        {%- endif %}

        judged as (
            select
                timed.*,
                files.batch_id,
                files.source,
                files.load_number,
                files.loaded_at,
                files.file_name,
                files.content_sha256,
                case
                    when timed.user_id is null then 1
                    when timed.event_name is null then 2
                    when timed.occurred_at is null and timed.at_text is null then 3
                    {% if not mapping.date_order -%}
                        when timed.occurred_at is null and {{ matches('timed.time_text', year_last_pattern()) }} then 4
                    {%- endif %}
                    when timed.occurred_at is null then 5
                    when timed.occurred_at < timestamp '1990-01-01 00:00:00' then 6
                    when timed.occurred_at > {{ add_days('files.loaded_at', 1) }} then 7
                end as fault
            from timed
            inner join files on timed.path_in_place = files.path
        )

        select
            batch_id,
            source,
            load_number,
            loaded_at,
            file_name,
            row_number_in_place as file_row_number,
            case when fault is null then coalesce(
                given_id,
                {{ made_event_id('user_id', 'session_id', 'event_name', 'item_id', 'occurred_at', 'content_sha256') }}
            ) end as event_id,
            given_id is not null as is_id_given,
            user_id,
            session_id,
            event_name,
            item_id,
            occurred_at,
            case when fault is null then {{ properties_in_place(mapping.properties, columns) }} end as properties,
            case
                when fault = 1 then {{ quote_text(roles.user) }}
                when fault = 2 then {{ quote_text(roles.event or '') }}
                when fault > 2 then {{ quote_text(roles.at) }}
            end as column_name,
            case fault
                when 1 then 'the user is missing'
                when 2 then {{ quote_text("the event's name is missing") }}
                when 3 then 'the time is missing'
                when 4 then 'the time can be day first or month first: say which by --day-first or --month-first'
                when 5 then {{ quote_text("the time can't be read, written like ") }} || {{ layout_of('at_text') }}
                when 6 then 'the time is before 1990'
                when 7 then 'the time is in the future'
            end as reason,
            case when fault is not null then raw_text_in_place end as raw_text
        from judged
    )
{%- endmacro %}

{#
    A query of the rows of Parquet files: path_in_place, row_number_in_place from 1, their columns called by their place,
    and all of a row as JSON: {{ read_in_place(['/lake/a.parquet'], [{'name': 'who', 'place': '_column_0'}]) }}
#}
{% macro read_in_place(paths, columns) -%}
    {{ return(adapter.dispatch('read_in_place')(paths, columns)) }}
{%- endmacro %}

{% macro default__read_in_place(paths, columns) -%}
    select
        path_of_the_file as path_in_place,
        file_row_number + 1 as row_number_in_place,
        {%- for column in columns %}
            {{ quote_column(column.name) }} as {{ column.place }},
        {%- endfor %}
        cast(json_object(
            {%- for column in columns -%}
                {{ quote_text(column.name) }}, {{ _json_safe(column) }}{{ ', ' if not loop.last }}
            {%- endfor -%}
        ) as varchar) as raw_text_in_place
    from read_parquet(
        {{ text_list(paths) }},
        filename = 'path_of_the_file',
        file_row_number = true,
        hive_partitioning = false
    )
{%- endmacro %}

{# JSON has no NaN. #}
{% macro _json_safe(column) -%}
    {%- set name = quote_column(column.name) -%}
    {%- if column.kind == 'float' -%} case when isfinite({{ name }}) then {{ name }} end {%- else -%} {{ name }} {%- endif -%}
{%- endmacro %}

{% macro spark__read_in_place(paths, columns) -%}
    select
        {#- The path as an address: `file:/lake/a%20b.parquet`. A plus sign stands for itself there. #}
        regexp_replace(url_decode(replace(_metadata.file_path, '+', '%2B')), '^file:/+', '/') as path_in_place,
        _metadata.row_index + 1 as row_number_in_place,
        {%- for column in columns %}
            {{ quote_column(column.name) }} as {{ column.place }},
            {%- if column.kind in ('float', 'decimal') %}
                {{ shortest_double('cast(' ~ quote_column(column.name) ~ ' as double)') }} as {{ column.place }}_digits,
            {%- endif %}
        {%- endfor %}
        to_json(
            named_struct(
                {%- for column in columns -%}
                    {{ quote_text(column.name) }}, {{ quote_column(column.name) }}{{ ', ' if not loop.last }}
                {%- endfor -%}
            ),
            map('ignoreNullFields', 'false')
        ) as raw_text_in_place
    from parquet.{{ pattern_of_files(paths) }}
{%- endmacro %}

{# A column's name as SQL, whatever it holds: {{ quote_column('Event "name"') }} #}
{% macro quote_column(name) -%}
    {{ return(adapter.dispatch('quote_column')(name)) }}
{%- endmacro %}

{% macro default__quote_column(name) -%}
    "{{ name | replace('"', '""') }}"
{%- endmacro %}

{% macro spark__quote_column(name) -%}
    `{{ name | replace('`', '``') }}`
{%- endmacro %}

{# A column's value as text, null where it is empty; of no column, null: {{ text_in_place(columns['who']) }} #}
{% macro text_in_place(column) -%}
    {%- if not column -%}
        cast(null as string)
    {%- elif column.kind == 'text' -%}
        {{ trimmed(column.place) }}
    {%- elif column.kind == 'float' -%}
        {{ double_text('cast(' ~ column.place ~ ' as double)') }}
    {%- else -%}
        cast({{ column.place }} as string)
    {%- endif -%}
{%- endmacro %}

{#
    A column's value as an id: the same text for the same id, whatever its type. A number is the same however it is
    written; fractions, which engines write in several ways, ingest does not let in. {{ id_in_place(columns['who']) }}
#}
{% macro id_in_place(column) -%}
    {%- if column and column.kind == 'float' -%}
        case when {{ is_finite(column.place) }} then cast(cast({{ column.place }} as bigint) as string) end
    {%- elif column and column.kind == 'text' -%}
        {%- set text = trimmed(column.place) -%}
        case
            when {{ column.place }} like '%.%0%' and {{ matches(text, '-?[0-9]+[.]0+') }}
                then split_part({{ text }}, '.', 1)
            else {{ text }}
        end
    {%- else -%}
        {{ text_in_place(column) }}
    {%- endif -%}
{%- endmacro %}

{# Text without the spaces around it, null where nothing is left: {{ trimmed('name') }} #}
{% macro trimmed(text) -%}
    case
        when {{ text }} like ' %' or {{ text }} like '% ' then nullif({{ trim_spaces(text) }}, '')
        else nullif({{ text }}, '')
    end
{%- endmacro %}

{# Text without the spaces around it, those of all alphabets: {{ trim_spaces('name') }} #}
{% macro trim_spaces(text) -%}
    {{ return(adapter.dispatch('trim_spaces')(text)) }}
{%- endmacro %}

{% macro default__trim_spaces(text) -%}
    trim({{ text }})
{%- endmacro %}

{% macro spark__trim_spaces(text) -%}
    regexp_replace({{ text }}, '^\\p{Zs}+|\\p{Zs}+\\z', '')
{%- endmacro %}

{# Whether a double is a number: {{ is_finite('price') }} #}
{% macro is_finite(number) -%}
    {{ return(adapter.dispatch('is_finite')(number)) }}
{%- endmacro %}

{% macro default__is_finite(number) -%}
    {#- Not by comparing: what a file says of its least and greatest leaves out NaN, and the engine goes by that. -#}
    isfinite({{ number }})
{%- endmacro %}

{% macro spark__is_finite(number) -%}
    (abs({{ number }}) <= 1.7976931348623157e308)
{%- endmacro %}

{# Whether all of a text is written like a pattern: {{ matches('code', '[0-9]+') }} #}
{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch('matches')(text, pattern)) }}
{%- endmacro %}

{% macro default__matches(text, pattern) -%}
    regexp_full_match({{ text }}, {{ quote_text(pattern) }})
{%- endmacro %}

{% macro spark__matches(text, pattern) -%}
    ({{ text }} rlike {{ quote_text('\\A(?:' ~ pattern ~ ')\\z') }})
{%- endmacro %}

{#
    A text with what a pattern matches put in another form; \1 is its first group:
    {{ rewritten('day', '([0-9]+)[.]([0-9]+)', '\\2-\\1') }}
#}
{% macro rewritten(text, pattern, form) -%}
    {{ return(adapter.dispatch('rewritten')(text, pattern, form)) }}
{%- endmacro %}

{% macro default__rewritten(text, pattern, form) -%}
    regexp_replace({{ text }}, {{ quote_text(pattern) }}, {{ quote_text(form) }}, 'g')
{%- endmacro %}

{% macro spark__rewritten(text, pattern, form) -%}
    regexp_replace({{ text }}, {{ quote_text(pattern) }}, {{ quote_text(form | replace('\\', '$')) }})
{%- endmacro %}

{# How a text is written: 9 for a digit, a for a letter; cut where it is long: {{ layout_of('time_text') }} #}
{% macro layout_of(text) -%}
    left({{ rewritten(rewritten(text, '[0-9]', '9'), '\\p{L}', 'a') }}, 40)
{%- endmacro %}
