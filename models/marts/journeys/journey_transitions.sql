-- Transitions in two kinds of journeys: the events of a session, and all touchpoints of a customer. A
-- session of page_view and purchase has three transitions: (start) to page_view, page_view to purchase, purchase to (end).
--
-- Touchpoints of several systems at one instant have no order of their own: a contact comes before the session, the session
-- before the order, the order before the ticket.
--
-- Customers with the same segments are counted together first, because joining a million customers with a dozen segments
-- each would give hundreds of millions of rows.

with events as (
    select * from {{ ref('int_facts__events') }}
),

event_states as (
    select * from {{ ref('int_staging__event_states') }}
),

orders as (
    select * from {{ ref('int_facts__orders') }}
),

tickets as (
    select * from {{ ref('stg_tickets') }}
),

contacts as (
    select * from {{ ref('stg_campaign_contacts') }}
),

responses as (
    select * from {{ ref('stg_campaign_responses') }}
),

customer_references as (
    select * from {{ ref('int_identity__references') }}
),

memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

current_period as (
    select as_of
    from {{ ref('int_periods') }}
    where is_current
),

session_stops as (
    select
        events.customer_key,
        {{ quick_hash(['events.source_system', 'events.session_id']) }} as session_key,
        events.occurred_at,
        events.day,
        events.position,
        event_states.state
    from events
    inner join event_states on events.event_type = event_states.event_type
    inner join current_period
        on events.attributed_from < current_period.as_of and events.attributed_until >= current_period.as_of
),

other_touches as (
    select
        source_system,
        customer_ref,
        opened_at as occurred_at,
        opened_on as day,
        'support' as state,
        4 as position
    from tickets
    union all
    select
        source_system,
        customer_ref,
        contacted_at as occurred_at,
        contacted_on as day,
        'campaign' as state,
        1 as position
    from contacts
    union all
    select
        source_system,
        customer_ref,
        responded_at as occurred_at,
        responded_on as day,
        'campaign' as state,
        1 as position
    from responses
),

touches as (
    select
        customer_key,
        min(occurred_at) as occurred_at,
        min(day) as day,
        'web' as state,
        2 as position
    from session_stops
    group by customer_key, session_key
    union all
    select
        customer_key,
        ordered_at as occurred_at,
        day,
        'shop' as state,
        3 as position
    from orders
    where is_completed
    union all
    select
        customer_references.customer_key,
        other_touches.occurred_at,
        other_touches.day,
        other_touches.state,
        other_touches.position
    from other_touches
    inner join customer_references
        on
            other_touches.source_system = customer_references.source_system
            and other_touches.customer_ref = customer_references.customer_ref
),

-- Customers with touchpoints of a single kind, such as most buyers in a shop, need no sorting.
kinds as (
    select
        touches.customer_key,
        min(touches.state) as state,
        max(touches.state) as other_state,
        count(*) as stops
    from touches
    inner join current_period on touches.day < current_period.as_of
    group by touches.customer_key
),

stops as (
    select
        customer_key,
        session_key,
        occurred_at,
        day,
        position,
        state,
        '' as prefix
    from session_stops
    union all
    select
        touches.customer_key,
        null as session_key,
        touches.occurred_at,
        touches.day,
        touches.position,
        touches.state,
        'touch:' as prefix
    from touches
    inner join kinds
        on
            touches.customer_key = kinds.customer_key
            and kinds.state <> kinds.other_state
),

ordered_moves as (
    select
        stops.customer_key,
        stops.prefix,
        stops.state,
        lead(stops.state) over journey as next_state,
        lag(stops.state) over journey is null as is_first,
        1 as moves
    from stops
    inner join current_period on stops.day < current_period.as_of
    window journey as (
        partition by stops.customer_key, stops.session_key, stops.prefix order by stops.occurred_at, stops.position
    )
),

moves as (
    select * from ordered_moves
    union all
    select
        customer_key,
        'touch:' as prefix,
        state,
        state as next_state,
        false as is_first,
        stops - 1 as moves
    from kinds
    where state = other_state and stops > 1
    union all
    select
        customer_key,
        'touch:' as prefix,
        state,
        null as next_state,
        true as is_first,
        1 as moves
    from kinds
    where state = other_state
),

current_memberships as {{ not_materialized() }} (
    select
        memberships.customer_key,
        memberships.segment_key
    from memberships
    inner join current_period on memberships.as_of = current_period.as_of
),

-- All customers with the same segments have the same profile.
profiles as (
    select
        customer_key,
        bit_xor({{ quick_hash(['segment_key']) }}) as profile
    from current_memberships
    group by customer_key
),

-- One customer per profile, whose segments are those of all customers in it.
examples as (
    select
        profile,
        min(customer_key) as customer_key
    from profiles
    group by profile
),

profile_segments as (
    select
        examples.profile,
        current_memberships.segment_key
    from current_memberships
    inner join examples on current_memberships.customer_key = examples.customer_key
    union all
    select
        profile,
        'all' as segment_key
    from examples
),

profile_moves as (
    select
        profiles.profile,
        moves.prefix,
        moves.state,
        moves.next_state,
        moves.is_first,
        sum(moves.moves) as transitions
    from moves
    inner join profiles on moves.customer_key = profiles.customer_key
    group by profiles.profile, moves.prefix, moves.state, moves.next_state, moves.is_first
),

segment_moves as (
    select
        profile_segments.segment_key,
        profile_moves.prefix,
        profile_moves.state,
        profile_moves.next_state,
        profile_moves.is_first,
        sum(profile_moves.transitions) as transitions
    from profile_moves
    inner join profile_segments on profile_moves.profile = profile_segments.profile
    group by
        profile_segments.segment_key,
        profile_moves.prefix,
        profile_moves.state,
        profile_moves.next_state,
        profile_moves.is_first
),

segment_transitions as (
    select
        segment_key,
        prefix || state as from_state,
        prefix || coalesce(next_state, '(end)') as to_state,
        transitions
    from segment_moves
    union all
    select
        segment_key,
        prefix || '(start)' as from_state,
        prefix || state as to_state,
        transitions
    from segment_moves
    where is_first
),

transitions as (
    select
        segment_key,
        from_state,
        to_state,
        sum(transitions) as transitions
    from segment_transitions
    group by segment_key, from_state, to_state
),

final as (
    select
        -- ids
        segment_key,
        from_state,
        to_state,

        -- numbers
        cast(transitions as bigint) as transitions,
        {{ rounded('transitions / cast(sum(transitions) over (partition by segment_key, from_state) as double)', 9) }}
            as probability
    from transitions
)

select * from final
