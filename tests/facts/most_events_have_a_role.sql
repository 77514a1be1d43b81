-- Var event_roles: carts, journeys and the products viewed are made of roles, and other event types are in none of them.

with events as (
    select * from {{ ref('int_facts__events') }}
),

shares as (
    select avg(case when role = 'other' then 1.0 else 0 end) as without_role
    from events
)

select
    {{ percent_words('without_role') }} || ' of the events of customers have no role, expected at most 50.0%: metrics '
    || 'of carts and moves do not see them (var event_roles; make check-input proposes roles)' as finding
from shares
where without_role > .5
