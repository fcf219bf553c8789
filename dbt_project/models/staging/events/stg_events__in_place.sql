{#- Files in which no event is met twice, nor in another, need no look for such. -#}
{%- set files = files_in_place() -%}
{%- set to_number = [] -%}
{%- set plain = [] -%}
{%- for file in files -%}
    {%- do (to_number if file.has_repeats or file.is_shared else plain).append(file) -%}
{%- endfor -%}

with plain as (
    {{ rows_in_place(plain) }}
),

to_number as (
    {{ rows_in_place(to_number) }}
),

-- Rows alike without an id are as many events, numbered within their file; an id that the log gives is one event.
numbered as (
    select
        *,
        row_number() over (partition by batch_id, event_id order by file_row_number asc) as occurrence
    from to_number
    where reason is null
),

named as (
    select
        *,
        case when occurrence > 1 then event_id || '-' || cast(occurrence as string) else event_id end as numbered_id
    from numbered
    where occurrence = 1 or not is_id_given
),

-- The first file that brings an event has it.
delivered as (
    select
        *,
        min(load_number) over (partition by source, numbered_id) as first_load_number
    from named
),

unioned as (
    select
        event_id,
        user_id,
        session_id,
        item_id,
        batch_id,
        source,
        event_name,
        properties,
        file_row_number,
        occurred_at,
        loaded_at
    from plain
    where reason is null
    union all
    select
        numbered_id as event_id,
        user_id,
        session_id,
        item_id,
        batch_id,
        source,
        event_name,
        properties,
        file_row_number,
        occurred_at,
        loaded_at
    from delivered
    where load_number = first_load_number
),

renamed as (
    select
        event_id,
        user_id,
        session_id,
        item_id,
        batch_id,
        source,
        event_name,
        {{ json_text('properties', 'device') }} as device,
        properties,
        file_row_number,
        occurred_at,
        loaded_at
    from unioned
)

select * from renamed
