-- One row per source system, visitor and local day with bot traffic: a device that declares itself a bot, or a pace no
-- person keeps up. A day depends only on its own events, so later events change nothing before them.

{{ config(schema='restricted', materialized='table') }}

{% set per_day = setting('bot_events_per_day') -%}
{% set per_minute = setting('bot_events_per_minute') -%}

with events as {{ not_materialized() }} (
    select * from {{ ref('stg_events') }}
),

visitor_days as (
    select
        source_system,
        coalesce(anonymous_id, customer_ref) as visitor,
        occurred_on as day,
        count(*) as events,
        max(case when lower(device) in ('bot', 'crawler', 'spider') then 1 else 0 end) = 1 as is_declared
    from events
    where anonymous_id is not null or customer_ref is not null
    group by source_system, coalesce(anonymous_id, customer_ref), occurred_on
),

-- No minute has more events than its day, so few days have to be counted by the minute.
suspects as (
    select *
    from visitor_days
    where is_declared or events > {{ [per_day, per_minute] | min }}
),

minutes as (
    select
        suspects.source_system,
        suspects.visitor,
        suspects.day,
        count(*) as events
    from suspects
    inner join events
        on
            suspects.source_system = events.source_system
            and suspects.visitor = coalesce(events.anonymous_id, events.customer_ref)
            and suspects.day = events.occurred_on
    group by
        suspects.source_system,
        suspects.visitor,
        suspects.day,
        {{ dbt.date_trunc('minute', 'events.occurred_at') }}
),

busiest_minutes as (
    select
        source_system,
        visitor,
        day,
        max(events) as events
    from minutes
    group by source_system, visitor, day
),

judged as (
    select
        suspects.source_system,
        suspects.visitor,
        suspects.day,
        suspects.events,
        case
            when suspects.is_declared then 'declared'
            when suspects.events > {{ per_day }} then 'per_day'
            when busiest_minutes.events > {{ per_minute }} then 'per_minute'
        end as reason
    from suspects
    inner join busiest_minutes
        on
            suspects.source_system = busiest_minutes.source_system
            and suspects.visitor = busiest_minutes.visitor
            and suspects.day = busiest_minutes.day
),

bot_days as (
    select *
    from judged
    where reason is not null
)

select * from bot_days
