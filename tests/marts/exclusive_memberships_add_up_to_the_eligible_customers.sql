-- In every exclusive scheme each eligible customer has exactly one segment; in a partial one, at most one.
{{ config(severity='error') }}

with memberships as (
    select
        memberships.customer_key,
        memberships.scheme
    from {{ ref('int_segmentation__memberships') }} as memberships
    inner join {{ ref('int_periods') }} as periods on memberships.as_of = periods.as_of
    where periods.is_current
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
        count(memberships.customer_key) as memberships,
        count(distinct memberships.customer_key) as members
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
