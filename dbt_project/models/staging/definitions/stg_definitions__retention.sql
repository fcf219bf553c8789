{%- set kept = {'day': 90, 'week': 104, 'month': 60} %}
{%- set follow_up = {'day': 28, 'week': 4, 'month': 3} %}

with source as (
    select * from {{ ref('retention_definitions') }}
),

renamed as (
    {%- for grain in ['day', 'week', 'month'] %}
        select
            definition,
            '{{ grain }}' as cohort_grain,
            nullif(trim(entry_event), '') as entry_event,
            nullif(trim(return_event), '') as return_event,
            cohort_mode,
            period_mode,
            description,
            coalesce(try_cast({{ grain }}s_kept as integer), {{ kept[grain] }}) as periods_kept,
            coalesce(try_cast(follow_up_{{ grain }}s as integer), {{ follow_up[grain] }}) as follow_up_periods
        from source
        {% if not loop.last %}union all{% endif %}
    {%- endfor %}
)

select
    *,
    -- What the user-days can tell without a look at the events.
    entry_event is null
    and return_event is null
    and cohort_mode = 'first_time'
    and period_mode = 'calendar' as is_told_by_days
from renamed
