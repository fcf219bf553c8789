with reports as (
    select * from {{ ref('int_view_reports') }}
),

rates as (
    select * from {{ ref('int_continuation_rates') }}
)

select
    reports.*,
    first_rates.expected_rate as first_expected,
    first_rates.quick_share as first_quick_share,
    closed_rates.expected_rate as closed_expected
from reports
left join rates as first_rates
    on
        cast(reports.first_reported_at as date) = first_rates.history_date
        and reports.episode_band = first_rates.episode_band
        and reports.completion_band = first_rates.completion_band
left join rates as closed_rates
    on
        cast(reports.closed_at as date) = closed_rates.history_date
        and reports.episode_band = closed_rates.episode_band
        and reports.completion_band = closed_rates.completion_band
