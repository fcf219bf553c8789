-- What an event is known by, as text.

create or replace temp macro trimmed(t) as
    case when prefix(t, ' ') or suffix(t, ' ') then nullif(trim(t), '') else nullif(t, '') end;

-- A number is the same id however it is written: tools that know no whole numbers with gaps write 1 as 1.0.
create or replace temp macro id_text(t) as
    case
        when suffix(t, '0') and contains(t, '.') and regexp_full_match(t, '-?\d+\.0+') then split_part(t, '.', 1)
        else t
    end;

-- The second first, so that ids sort by time: where one is looked for, the engine skips all that was stored of other
-- times. It has eight digits from 1978 to 2106.
create or replace temp macro made_id(user_id, session_id, event_name, item_id, occurred_at, file) as
    concat(
        lower(hex(epoch_us(occurred_at) // 1000000)),
        left(md5(concat_ws(
            chr(31), user_id, coalesce(session_id, ''), event_name, coalesce(item_id, ''),
            cast(epoch_us(occurred_at) as varchar), file
        )), 16)
    );
