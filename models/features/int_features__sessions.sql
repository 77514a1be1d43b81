-- One row per customer and session. A session belongs to the local date of its first event.

{% set seconds = dbt.datediff('started_at', 'ended_at', 'second') -%}

with events as (
    select * from {{ ref('int_features__events') }}
),

sessions as (
    select
        customer_key,
        session_id,
        min(day) as day,
        count(*) as events,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at
    from events
    where session_id is not null
    group by customer_key, session_id
),

measured_sessions as (
    select
        customer_key,
        session_id,
        day,
        events,
        cast({{ seconds }} / 60.0 as decimal(18, 2)) as minutes
    from sessions
)

select * from measured_sessions
