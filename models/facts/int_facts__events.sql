-- One row per event of an eligible customer, with its session and the dates between which it counts. Bots are excluded.
--
-- A session is the source's own, otherwise the events of a visitor without a gap of var session_idle_minutes; both end at
-- local midnight. An event without a customer is attributed to
--   1. the only customer identified in the same session on the same day: the visit led to the log-in;
--   2. in a session without any customer, the one that identity_links ties the visitor to.
-- A link holds from its own day until a link to a second customer makes it ambiguous: a shared device identifies no one. So
-- such an event counts from attributed_from to attributed_until, and a later link changes nothing before it. A link without
-- a date has always held. Erased customers get key -1: they own no events, but still count as a second owner of a device.
--
-- Each event is a transition to the next one of the session with the same attribution dates. Simultaneous events are ordered
-- by type, because their true order is unknown.

{% set never = "date '9999-12-31'" -%}
{% set idle_minutes = setting('session_idle_minutes') -%}
{% set columns = [
    'source_system', 'anonymous_id', 'occurred_on', 'occurred_at', 'event_type', 'product_id', 'device', 'country',
    'referrer'
] -%}

with events as {{ not_materialized() }} (
    select * from {{ ref('stg_events') }}
),

bot_days as (
    select * from {{ ref('int_staging__bot_days') }}
),

identity_links as (
    select * from {{ ref('stg_identity_links') }}
),

customer_references as (
    select * from {{ ref('int_identity__references') }}
),

customers as (
    select * from {{ ref('int_identity__customers_resolved') }}
),

zone_days as (
    {{ zone_days() | indent(4) }}
),

human_events as {{ not_materialized() }} (
    select
        {%- for column in columns %}
        events.{{ column }},
        {%- endfor %}
        events.event_id,
        events.session_id,
        coalesce(events.anonymous_id, events.customer_ref) as visitor,
        case
            when events.customer_ref is not null then coalesce(customer_references.customer_key, -1)
        end as named_key
    from events
    left join bot_days
        on
            events.source_system = bot_days.source_system
            and coalesce(events.anonymous_id, events.customer_ref) = bot_days.visitor
            and events.occurred_on = bot_days.day
    left join customer_references
        on
            events.source_system = customer_references.source_system
            and events.customer_ref = customer_references.customer_ref
    where
        bot_days.visitor is null
        and (events.anonymous_id is not null or events.customer_ref is not null)
),

gaps as {{ not_materialized() }} (
    select
        *,
        case
            when {{ seconds_between('lag(occurred_at) over by_visitor', 'occurred_at') }} > 60 * {{ idle_minutes }}
                then 1
            else 0
        end as begins_session
    from human_events
    where session_id is null
    window by_visitor as (partition by source_system, visitor, occurred_on order by occurred_at, event_id)
),

idle_sessions as {{ not_materialized() }} (
    select
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        named_key,
        visitor || ':' || cast(occurred_on as {{ dbt.type_string() }}) || ':' || cast(
            sum(begins_session) over (
                partition by source_system, visitor, occurred_on
                order by occurred_at, event_id
                rows between unbounded preceding and current row
            ) as {{ dbt.type_string() }}
        ) as session_id
    from gaps
),

session_events as {{ not_materialized() }} (
    select
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        named_key,
        session_id
    from human_events
    where session_id is not null
    union all
    select * from idle_sessions
),

named_sessions as (
    select
        source_system,
        session_id,
        occurred_on,
        min(named_key) as first_key,
        max(named_key) as last_key
    from session_events
    where named_key is not null
    group by source_system, session_id, occurred_on
),

links as (
    select
        identity_links.source_system,
        identity_links.anonymous_id,
        coalesce(identity_links.seen_on, date '0001-01-01') as seen_on,
        coalesce(customer_references.customer_key, -1) as customer_key
    from identity_links
    left join customer_references
        on
            identity_links.source_system = customer_references.source_system
            and identity_links.customer_ref = customer_references.customer_ref
    where identity_links.anonymous_id is not null and identity_links.customer_ref is not null
),

ordered_links as (
    select
        *,
        first_value(customer_key) over (
            partition by source_system, anonymous_id
            order by seen_on, customer_key
            rows between unbounded preceding and unbounded following
        ) as first_key
    from links
),

visitors as (
    select
        source_system,
        anonymous_id,
        first_key as customer_key,
        min(seen_on) as linked_on,
        min(case when customer_key <> first_key then seen_on else {{ never }} end) as attributed_until
    from ordered_links
    group by source_system, anonymous_id, first_key
),

attributed as (
    select
        session_events.*,
        case
            when session_events.named_key is not null then session_events.named_key
            when named_sessions.session_id is null then visitors.customer_key
            when named_sessions.first_key = named_sessions.last_key then named_sessions.first_key
        end as customer_key,
        case
            when session_events.named_key is null and named_sessions.session_id is null
                then greatest(session_events.occurred_on, visitors.linked_on)
            else session_events.occurred_on
        end as attributed_from,
        case
            when session_events.named_key is null and named_sessions.session_id is null then visitors.attributed_until
            else {{ never }}
        end as attributed_until
    from session_events
    left join named_sessions
        on
            session_events.named_key is null
            and session_events.source_system = named_sessions.source_system
            and session_events.session_id = named_sessions.session_id
            and session_events.occurred_on = named_sessions.occurred_on
    left join visitors
        on
            session_events.named_key is null
            and session_events.source_system = visitors.source_system
            and session_events.anonymous_id = visitors.anonymous_id
),

customer_events as (
    select
        -- ids
        attributed.customer_key,
        attributed.source_system,
        attributed.session_id,
        attributed.product_id,

        -- dates
        attributed.occurred_on as day,
        attributed.attributed_from,
        attributed.attributed_until,
        attributed.occurred_at,

        -- numbers
        {{ local_hour_by_zone_day('attributed.occurred_at') | indent(8) }} as hour,

        -- words
        attributed.event_type,
        coalesce(lead(attributed.event_type) over session, '(end)') as next_event_type,
        attributed.device,
        attributed.country,
        attributed.referrer
    from attributed
    inner join customers on attributed.customer_key = customers.customer_key
    left join zone_days on {{ utc_date('attributed.occurred_at') }} = zone_days.utc_day
    where
        not customers.is_excluded
        and attributed.attributed_until > attributed.attributed_from
    window session as (
        partition by
            attributed.customer_key,
            {{ quick_hash(['attributed.source_system', 'attributed.session_id']) }},
            attributed.occurred_on,
            attributed.attributed_from,
            attributed.attributed_until
        order by attributed.occurred_at, attributed.event_type
    )
)

select * from customer_events
