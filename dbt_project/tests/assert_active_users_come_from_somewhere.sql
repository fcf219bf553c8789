-- Today's users are new, retained or resurrected; and the users of the month change by those who come and those who go
-- dormant, where both look back the same 28 days.
with lifecycle as (
    select
        *,
        lag(mau) over (partition by source order by activity_date asc) as previous_mau
    from {{ ref('fct_lifecycle_daily') }}
)

select * from lifecycle
where
    dau <> new_count + retained_count + resurrected_count
    or least(new_count, retained_count, resurrected_count, dormant_count) < 0
    or dau > wau
    or wau > mau
    or mau > users_count
    {%- if var('lifecycle_window_days') == 28 %}
        or mau <> coalesce(previous_mau, 0) + new_count + resurrected_count - dormant_count
    {%- endif %}
