{%- set horizon = var('churn_horizon_days') -%}
with churn as (
    select * from {{ ref('fct_user_churn') }}
),

by_date as (
    select
        source,
        as_of_date,
        count(is_churned) as known_count
    from churn
    group by source, as_of_date
),

shares as (
    select
        *,
        sum(known_count) over (
            partition by source
            order by as_of_date asc
            rows between unbounded preceding and current row
        ) / nullif(sum(known_count) over (partition by source), 0) as share_so_far
    from by_date
),

-- Each source has its own time: validation starts on the date by which its training has had its share, and so on.
starts as (
    select
        source,
        min(as_of_date) filter (where share_so_far >= {{ var('train_share') }}) as validation_starts_on,
        min(as_of_date) filter (
            where share_so_far >= {{ var('train_share') }} + {{ var('validation_share') }}
        ) as test_starts_on
    from shares
    group by source
),

-- A horizon after it at the earliest, or embargo would leave nothing of a short log's validation.
boundaries as (
    select
        source,
        validation_starts_on,
        greatest(test_starts_on, validation_starts_on + {{ horizon }}) as test_starts_on
    from starts
),

assigned as (
    select
        by_date.source,
        by_date.as_of_date,
        {{ split_by_time(
            moment='by_date.as_of_date',
            known_at='by_date.as_of_date + ' ~ horizon,
            is_open='by_date.known_count = 0',
            validation_starts='boundaries.validation_starts_on',
            test_starts='boundaries.test_starts_on'
        ) | indent(8) }} as split
    from by_date
    inner join boundaries on by_date.source = boundaries.source
)

select * from assigned
