-- One row per pair of records decided to be one person or two. Manual decisions come from the seed identity_decisions and
-- override all evidence. Records that share a customer_ref in one system are one person as well: an order has no other way
-- to identify its customer.

with identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

decisions as (
    select * from {{ ref('identity_decisions') }}
),

same_reference as (
    select
        min(record_key) over (partition by reference_key) as left_key,
        record_key as right_key
    from identifiers
),

decided as (
    select
        left_records.record_key as left_key,
        right_records.record_key as right_key,
        decisions.decision = 'same' as is_same,
        {{ try_cast('decisions.decided_on', 'date') }} as decided_on
    from decisions
    inner join identifiers as left_records
        on
            decisions.source_system = left_records.source_system
            and decisions.record_id = left_records.record_id
    inner join identifiers as right_records
        on
            decisions.other_source_system = right_records.source_system
            and decisions.other_record_id = right_records.record_id
    union all
    select
        left_key,
        right_key,
        true as is_same,
        null as decided_on
    from same_reference
    where left_key <> right_key
)

select * from decided
