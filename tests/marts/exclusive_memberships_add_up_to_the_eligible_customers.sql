-- In every exclusive scheme each eligible customer has exactly one segment; in a partial one, at most one.
{{ config(severity='error') }}

with memberships as (
    select
        customer_id,
        scheme,
        {{ quick_hash(['customer_id']) }} as customer_hash
    from {{ ref('segment_memberships') }}
),

customers as (
    select count(*) as eligible_customers from {{ ref('customer_segments') }}
),

schemes as (
    {% for scheme in exclusive_schemes() -%}
    select '{{ scheme }}' as scheme{{ ' union all' if not loop.last }}
    {% endfor %}
),

sizes as (
    select
        schemes.scheme,
        count(memberships.customer_id) as memberships,
        count(distinct memberships.customer_hash) as members
    from schemes
    left join memberships on schemes.scheme = memberships.scheme
    group by schemes.scheme
)

select
    sizes.*,
    customers.eligible_customers
from sizes
cross join customers
where
    sizes.memberships <> sizes.members
    or (
        sizes.members <> customers.eligible_customers
        and sizes.scheme not in ('{{ partial_schemes() | join("', '") }}')
    )
