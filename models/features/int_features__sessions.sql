-- One row per customer, session and local date. A session that runs past midnight counts on both dates, so that what is
-- known of it at an as_of does not change when it goes on.

with events as (
    select * from {{ ref('int_features__events') }}
),

sessions as (
    select
        customer_key,
        source_system,
        session_id,
        day,
        count(*) as events,
        cast({{ seconds_between('min(occurred_at)', 'max(occurred_at)') }} / 60.0 as decimal(18, 2)) as minutes
    from events
    where session_id is not null
    group by customer_key, source_system, session_id, day
)

select * from sessions
