with views as (
    select * from {{ ref('stg_viewing__views') }}
),

events as (
    select * from {{ ref('fct_events') }}
    where source = 'viewing'
),

-- Idle time runs from the end of what was watched to the next start, so a long episode is no pause. The end
-- is the latest one so far: two views can overlap.
sessionized as (
    select
        views.*,
        events.session_id,
        events.delivery_number,
        max(views.ended_at) over (
            partition by views.user_id
            order by views.started_at asc, events.delivery_number asc
            rows between unbounded preceding and 1 preceding
        ) as previous_ended_at
    from views
    inner join events on cast(views.event_id as string) = events.event_id
)

select * from sessionized
