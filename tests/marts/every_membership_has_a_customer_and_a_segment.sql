-- No orphans: memberships of unknown or excluded customers, or of segments that nobody defined.
{{ config(severity='error') }}

with memberships as (
    select * from {{ ref('segment_memberships') }}
),

customers as (
    select * from {{ ref('customers') }}
    where not is_excluded
),

segments as (
    select * from {{ ref('segments') }}
)

select
    memberships.customer_id,
    memberships.segment_key
from memberships
left join customers on memberships.customer_id = customers.customer_id
left join segments on memberships.segment_key = segments.segment_key
where customers.customer_id is null or segments.segment_key is null
