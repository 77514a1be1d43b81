-- One row per customer and session. A session belongs to the local date of its first event.

with events as (
    select * from {{ ref('int_features__events') }}
),

sessions as (
    select
        customer_key,
        session_id,
        min(day) as day,
        count(*) as events,
        {{ dbt.datediff('min(occurred_at)', 'max(occurred_at)', 'second') }} / 60.0 as minutes
    from events
    where session_id is not null
    group by customer_key, session_id
)

select * from sessions
