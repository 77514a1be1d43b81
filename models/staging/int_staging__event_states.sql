-- One row per event type, with the state by which journeys show it.
--
-- A tracker may send anything as an event type: what a visitor typed, an e-mail address. The types of var event_roles are
-- configured, so they are shown. Of the others, those that look like an address, a number or a long text are `other`, and so are
-- the rarer ones where there are many.

{{ config(materialized='table') }}

with events as (
    select * from {{ ref('stg_events') }}
),

counted as (
    select
        event_type,
        count(*) as events
    from events
    group by event_type
),

judged as (
    select
        event_type,
        events,
        event_type in (
            {%- for event_type in event_roles().values() | sum(start=[]) %}
            {{ sql_literal(event_type) }}{{ ',' if not loop.last }}
            {%- endfor %}
        ) as has_role,
        {#- touch: is the prefix of touchpoints, brackets are those of (start) and (end). -#}
        {{ regex_matches('event_type', '^[0-9(+]|[@%]|[0-9]{5}|^.{65}|^touch:') }} as is_unusual
    from counted
),

ranked as (
    select
        event_type,
        events,
        has_role,
        is_unusual,
        row_number() over (
            partition by has_role, is_unusual
            order by events desc, event_type asc
        ) as position
    from judged
)

select
    event_type,
    events,
    case
        when has_role or (not is_unusual and position <= {{ setting('journey_event_types') }}) then event_type
        else 'other'
    end as state
from ranked
