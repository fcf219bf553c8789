{#
    The id of an event that its log gives none (docs/adr/0007): the second as eight hexadecimal digits, and 64 bits of an
    MD5 of what it is known by. `file` tells files apart where that is part of it, and is null elsewhere.
    {{ made_event_id('user_id', 'session_id', 'event_name', 'item_id', 'occurred_at', 'content_sha256') }}
#}
{% macro made_event_id(user_id, session_id, event_name, item_id, occurred_at, file) -%}
    lower(hex({{ unix_seconds(occurred_at) }}))
    || substr(md5(concat_ws(
        chr(31), {{ user_id }}, coalesce({{ session_id }}, ''), {{ event_name }}, coalesce({{ item_id }}, ''),
        cast({{ unix_microseconds(occurred_at) }} as string), {{ file }}
    )), 1, 16)
{%- endmacro %}
