-- One row per collector: whom the bookshop writes to, with the reason.

with memberships as (
    select * from {{ ref('customer_segmentation', 'segment_memberships') }}
),

customers as (
    select * from {{ ref('customer_segmentation', 'customer_segments') }}
),

letters as (
    select
        memberships.customer_id,
        memberships.reason,
        customers.lifecycle
    from memberships
    inner join customers on memberships.customer_id = customers.customer_id
    where memberships.segment_key = 'rule:collectors'
)

select * from letters
