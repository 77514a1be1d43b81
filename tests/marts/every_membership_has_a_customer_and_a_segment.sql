-- No orphans: memberships of unknown or excluded customers, or of undefined segments.
{{ config(severity='error') }}

with memberships as (
    select memberships.*
    from {{ ref('int_segmentation__memberships') }} as memberships
    inner join {{ ref('int_periods') }} as periods on memberships.as_of = periods.as_of
    where periods.is_current
),

customers as (
    select {{ compact_key('customer_id') }} as customer_key
    from {{ ref('customers') }}
    where not is_excluded
),

segments as (
    select * from {{ ref('segments') }}
)

select
    memberships.customer_key,
    memberships.segment_key
from memberships
left join customers on memberships.customer_key = customers.customer_key
left join segments on memberships.segment_key = segments.segment_key
where customers.customer_key is null or segments.segment_key is null
