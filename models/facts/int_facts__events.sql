-- One row per event of an eligible customer, with its session and the dates between which it counts. Bots are excluded.
--
-- A session is the source's own, otherwise the events of a visitor without a gap of var session_idle_minutes, named by the
-- second it begins. Figures count its events by local day. An event without a customer is attributed to
--   1. the only customer identified in the same session on the same day: the visit led to the log-in;
--   2. in a session without any customer, the one that identity_links ties the visitor to.
-- A link holds from its own day until a link to a second customer makes it ambiguous: a shared device identifies no one. So
-- such an event counts from attributed_from to attributed_until, and a later link changes nothing before it. A link without
-- a date has always held. Erased customers get key -1: they own no events, but still count as a second owner of a device.
--
-- Each event is a transition to the next one of the session with the same day and attribution dates. Events of one instant
-- are in the order of the source: by its sequence, otherwise by event_id, as a number if all event ids of the source are.

{% set never = "date '9999-12-31'" -%}
{% set idle_minutes = setting('session_idle_minutes') -%}
{% set event_number = try_cast('event_id', 'decimal(38, 6)') -%}
{% set columns = [
    'source_system', 'event_id', 'sequence', 'anonymous_id', 'occurred_on', 'occurred_at', 'event_type', 'product_id',
    'device', 'country', 'referrer'
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

-- The first of several events of one instant is any of them: the session that it begins is the same.
gaps as {{ not_materialized() }} (
    select
        *,
        case
            when {{ seconds_between('lag(occurred_at) over by_visitor', 'occurred_at') }} <= 60 * {{ idle_minutes }}
                then null
            else occurred_at
        end as begins_at
    from human_events
    where session_id is null
    window by_visitor as (partition by source_system, visitor order by occurred_at)
),

begun as {{ not_materialized() }} (
    select
        *,
        max(begins_at) over (partition by source_system, visitor order by occurred_at) as begun_at
    from gaps
),

idle_sessions as {{ not_materialized() }} (
    select
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        named_key,
        visitor || ':' || cast(
            cast({{ seconds_between("timestamp '1970-01-01'", 'begun_at') }} as bigint) as {{ dbt.type_string() }}
        ) as session_id
    from begun
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

numeric_sources as (
    select source_system
    from events
    group by source_system
    having count(*) = count({{ event_number }})
),

ordered_events as (
    select
        session_events.*,
        case
            {%- for role, types in event_roles().items() %}
            when session_events.event_type in (
                {%- for event_type in types %}
                {{ sql_literal(event_type) }}{{ ',' if not loop.last }}
                {%- endfor %}
            ) then '{{ role }}'
            {%- endfor %}
            else 'other'
        end as role,
        -- Not per customer: a link found later must not renumber the events known before.
        row_number() over (
            partition by {{ quick_hash(['session_events.source_system', 'session_events.session_id']) }}
            order by
                session_events.occurred_at,
                session_events.sequence asc nulls last,
                case when numeric_sources.source_system is not null then {{ event_number }} end,
                session_events.event_id
        ) as position
    from session_events
    left join numeric_sources on session_events.source_system = numeric_sources.source_system
),

attributed as (
    select
        ordered_events.*,
        case
            when ordered_events.named_key is not null then ordered_events.named_key
            when named_sessions.session_id is null then visitors.customer_key
            when named_sessions.first_key = named_sessions.last_key then named_sessions.first_key
        end as customer_key,
        case
            when ordered_events.named_key is null and named_sessions.session_id is null
                then greatest(ordered_events.occurred_on, visitors.linked_on)
            else ordered_events.occurred_on
        end as attributed_from,
        case
            when ordered_events.named_key is null and named_sessions.session_id is null then visitors.attributed_until
            else {{ never }}
        end as attributed_until
    from ordered_events
    left join named_sessions
        on
            ordered_events.named_key is null
            and ordered_events.source_system = named_sessions.source_system
            and ordered_events.session_id = named_sessions.session_id
            and ordered_events.occurred_on = named_sessions.occurred_on
    left join visitors
        on
            ordered_events.named_key is null
            and ordered_events.source_system = visitors.source_system
            and ordered_events.anonymous_id = visitors.anonymous_id
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
        attributed.position,

        -- words
        attributed.event_type,
        coalesce(lead(attributed.event_type) over session_part, '(end)') as next_event_type,
        attributed.role,
        coalesce(lead(attributed.role) over session_part, '(end)') as next_role,
        attributed.device,
        attributed.country,
        attributed.referrer
    from attributed
    inner join customers on attributed.customer_key = customers.customer_key
    left join zone_days on {{ utc_date('attributed.occurred_at') }} = zone_days.utc_day
    where
        not customers.is_excluded
        and attributed.attributed_until > attributed.attributed_from
    window session_part as (
        partition by
            attributed.customer_key,
            {{ quick_hash(['attributed.source_system', 'attributed.session_id']) }},
            attributed.occurred_on,
            attributed.attributed_from,
            attributed.attributed_until
        order by attributed.position
    )
)

select * from customer_events
