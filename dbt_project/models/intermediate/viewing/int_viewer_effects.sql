with views as (
    select * from {{ ref('fct_episode_views') }}
),

expectations as (
    select * from {{ ref('int_view_expectations') }}
),

title_effects as (
    select * from {{ ref('int_title_effects') }}
),

-- A viewer of good titles is no better for it: what is expected of a view knows its title.
expected as (
    select
        expectations.*,
        {{ shifted('expectations.first_expected', 'first_effects.title_effect') }} as first_expected_of_title,
        {{ shifted('expectations.closed_expected', 'closed_effects.title_effect') }} as closed_expected_of_title
    from expectations
    inner join title_effects as first_effects
        on
            expectations.anime_id = first_effects.anime_id
            and cast(expectations.first_reported_at as date) = first_effects.history_date
    inner join title_effects as closed_effects
        on
            expectations.anime_id = closed_effects.anime_id
            and cast(expectations.closed_at as date) = closed_effects.history_date
),

surprises as (
    select
        event_id,
        delivery_number,
        user_id,
        first_reported_at,
        closed_at,
        {{ surprises('first_expected_of_title', 'closed_expected_of_title') | indent(8) }}
    from expected
),

moments as (
    select
        views.event_id,
        views.delivery_number,
        views.user_id,
        views.ended_at as occurred_at,
        1 as moment_number,
        0 as surprise,
        0 as information,
        {{ log_unwatched('views.completion') }} - title_effects.title_mean_log_unwatched as log_unwatched
    from views
    inner join title_effects
        on views.anime_id = title_effects.anime_id and cast(views.ended_at as date) = title_effects.history_date
    union all
    select
        event_id,
        delivery_number,
        user_id,
        first_reported_at as occurred_at,
        2 as moment_number,
        first_surprise as surprise,
        first_information as information,
        cast(null as double) as log_unwatched
    from surprises
    union all
    select
        event_id,
        delivery_number,
        user_id,
        closed_at as occurred_at,
        3 as moment_number,
        closed_surprise - first_surprise as surprise,
        closed_information - first_information as information,
        cast(null as double) as log_unwatched
    from surprises
),

-- At one instant the views that end come first: none counts what shows just then, its own outcome least of all.
accumulated as (
    select
        event_id,
        moment_number,
        {{ settled('sum(surprise) over viewer_so_far') }} as surprise,
        {{ settled('sum(information) over viewer_so_far') }} as information,
        {{ settled('sum(log_unwatched) over viewer_so_far') }} as log_unwatched,
        count(log_unwatched) over viewer_so_far as views_count,
        max(occurred_at) over viewer_so_far as latest_seen_at
    from moments
    window viewer_so_far as (
        partition by user_id
        order by occurred_at asc, moment_number asc, delivery_number asc
        rows between unbounded preceding and 1 preceding
    )
)

select
    event_id,
    {{ settled(shrunken_effect('surprise', 'information')) }} as user_effect,
    {{ settled(shrunken_mean('log_unwatched', 'views_count', '0')) }} as user_log_unwatched_effect,
    latest_seen_at
from accumulated
where moment_number = 1
