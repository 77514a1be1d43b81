-- One row per as_of, eligible customer and rule segment whose rule holds for the customer.
--
-- All rules are tried in one pass over the wide table; each becomes one condition of a list.

with features as (
    select * from {{ ref('int_segmentation__customers') }}
),

cutpoints as (
    {{ rule_cuts_in_force() | indent(4) }}
),

rule_memberships as (
    select
        features.as_of,
        features.customer_key,
        {{ matching_segments(rule_segments()) | indent(8) }} as segment_key
    from features
    left join cutpoints on features.as_of = cutpoints.as_of
)

select * from rule_memberships
