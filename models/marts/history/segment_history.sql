-- A spell begins with the first period in the segment after one outside it, and ends with the first period outside again.
-- Nothing is stored but memberships by period: a spell that is open gets its end from the periods after it.

{{ config(materialized='view') }}

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

customers as (
    select * from {{ ref('int_identity__customers') }}
),

periods as (
    select
        *,
        row_number() over (order by as_of) as position
    from {{ ref('int_periods') }}
),

-- Periods in a row have the same difference between their position and their rank among the customer's own.
numbered as (
    select
        memberships.customer_key,
        memberships.scheme,
        memberships.segment_key,
        memberships.as_of,
        periods.next_as_of,
        periods.position - row_number() over (
            partition by memberships.customer_key, memberships.segment_key
            order by memberships.as_of
        ) as spell
    from memberships
    inner join periods on memberships.as_of = periods.as_of
),

spells as (
    select
        customer_key,
        scheme,
        segment_key,
        min(as_of) as valid_from,
        case when count(next_as_of) = count(*) then max(next_as_of) end as valid_to
    from numbered
    group by customer_key, scheme, segment_key, spell
),

final as (
    select
        customers.customer_id,
        spells.scheme,
        spells.segment_key,
        spells.valid_from,
        spells.valid_to
    from spells
    inner join customers on spells.customer_key = customers.customer_key
)

select * from final
