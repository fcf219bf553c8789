-- Those at risk are those at risk before, less those who left or were censored; and the curve never rises.
with survival as (
    select
        *,
        lag(survival) over curve_so_far as previous_survival,
        lag(at_risk_count - ended_count - censored_count) over curve_so_far as left_over_count
    from {{ ref('fct_survival') }}
    window curve_so_far as (partition by source, curve, segment_name, segment_value order by time asc)
)

select * from survival
where
    at_risk_count <> left_over_count
    or survival > previous_survival + 1e-12
    or (time > 0 and previous_survival is null)
