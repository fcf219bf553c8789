with reports as (
    select * from {{ ref('int_view_reports') }}
),

dates as (
    select cast(first_reported_at as date) as history_date from reports
    union
    select cast(closed_at as date) as history_date from reports
),

bands as (
    select distinct
        episode_band,
        completion_band
    from reports
),

daily as (
    select
        cast(closed_at as date) as history_date,
        episode_band,
        completion_band,
        count(*) as views_count,
        count_if(is_continued_at_close) as continued_count,
        count_if(is_continued_at_first) as continued_at_first_count
    from reports
    group by cast(closed_at as date), episode_band, completion_band
),

accumulated as (
    select
        dates.history_date,
        bands.episode_band,
        bands.completion_band,
        cast(coalesce(sum(daily.views_count) over band_so_far, 0) as double) as views_count,
        cast(coalesce(sum(daily.continued_count) over band_so_far, 0) as double) as continued_count,
        cast(coalesce(sum(daily.continued_at_first_count) over band_so_far, 0) as double) as continued_at_first_count
    from dates
    cross join bands
    left join daily
        on
            dates.history_date = daily.history_date
            and bands.episode_band = daily.episode_band
            and bands.completion_band = daily.completion_band
    window band_so_far as (
        partition by bands.episode_band, bands.completion_band
        order by dates.history_date asc
        rows between unbounded preceding and 1 preceding
    )
),

with_totals as (
    select
        *,
        sum(views_count) over (partition by history_date) as all_views_count,
        sum(continued_count) over (partition by history_date) as all_continued_count,
        sum(continued_at_first_count) over (partition by history_date) as all_continued_at_first_count
    from accumulated
)

-- Half a view more of either outcome keeps rates off 0 and 1; few views lean on the rate of all.
select
    history_date,
    episode_band,
    completion_band,
    (
        continued_count
        + {{ var('rate_prior_views') }} * (all_continued_count + 0.5) / (all_views_count + 1)
    ) / (views_count + {{ var('rate_prior_views') }}) as expected_rate,
    (all_continued_at_first_count + 0.5) / (all_continued_count + 1) as quick_share
from with_totals
where all_views_count > 0
