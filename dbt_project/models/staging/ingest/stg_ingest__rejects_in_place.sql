with rows_read as (
    {{ rows_in_place(files_in_place() | selectattr('has_rejects')) }}
),

rejected as (
    select
        batch_id,
        source,
        column_name,
        file_name,
        reason,
        raw_text,
        file_row_number
    from rows_read
    where reason is not null
)

select * from rejected
