-- Whoever reaches an episode continued, stopped or can't be known, and a survival curve never rises.
with retention as (
    select
        *,
        lag(survival) over (partition by scope, anime_id order by episode_number asc) as previous_survival
    from {{ ref('fct_retention_by_episode') }}
)

select * from retention
where
    reached_count <> continued_count + stopped_count + censored_count
    or at_risk_count <> continued_count + stopped_count
    or survival > previous_survival + 1e-12
