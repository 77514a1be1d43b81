-- Why is this customer in this segment, and since when?
--
-- One row per segment of the customer. `reason` has the values that decided, with the limit beside each.
-- `member_since` is the first period of the current spell: it is never before the first date of the history. For
-- another customer, change the first CTE to `select '...' as customer_id`.

with customer as (
    select min(customer_id) as customer_id
    from {{ ref('segment_samples') }}
    where segment_key = 'rule:lapsed_regulars'
),

memberships as (
    select * from {{ ref('segment_memberships') }}
),

spells as (
    select * from {{ ref('segment_history') }}
),

explained as (
    select
        memberships.segment_key,
        spells.valid_from as member_since,
        memberships.reason
    from memberships
    inner join customer on memberships.customer_id = customer.customer_id
    inner join spells
        on
            memberships.customer_id = spells.customer_id
            and memberships.segment_key = spells.segment_key
    where spells.valid_to is null
)

select * from explained
order by segment_key
