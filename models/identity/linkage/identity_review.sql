-- One row per pair of records for manual review: uncertain pairs and refused links. Decisions go into the seed
-- identity_decisions.

with pairs as (
    select * from {{ ref('int_identity__pairs') }}
),

merged as (
    select * from {{ ref('int_identity__merges') }}
),

calendar as (
    select * from {{ ref('int_staging__calendar') }}
),

records as (
    select * from {{ ref('int_identity__records') }}
),

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

refused as (
    select
        merged.left_key,
        merged.right_key,
        merged.reason
    from merged
    inner join calendar on merged.as_of = calendar.as_of and calendar.is_current
    where merged.part = 'refused'
),

candidates as (
    select
        pairs.left_key,
        pairs.right_key,
        coalesce(
            refused.reason, case when pairs.has_evidence_of_person then 'doubtful' else 'household_only' end
        ) as reason,
        pairs.rule,
        pairs.probability
    from pairs
    left join refused on pairs.left_key = refused.left_key and pairs.right_key = refused.right_key
),

final as (
    select
        candidates.reason,
        candidates.rule,
        candidates.probability,
        {% for side in ['left', 'right'] -%}
        {% set prefix = 'other_' if side == 'right' else '' -%}
        {{ side }}_records.customer_id as {{ prefix }}customer_id,
        {{ side }}_records.source_system as {{ prefix }}source_system,
        {{ side }}_records.record_id as {{ prefix }}record_id,
        {% for field in ['given_name', 'family_name', 'birth_date', 'email', 'phone', 'address'] -%}
        {{ side }}_identifiers.{{ field }} as {{ prefix }}{{ field }},
        {% endfor -%}
        {% endfor -%}
        left_identifiers.has_mixed_scripts or right_identifiers.has_mixed_scripts as has_mixed_scripts
    from candidates
    inner join records as left_records on candidates.left_key = left_records.record_key
    inner join records as right_records on candidates.right_key = right_records.record_key
    inner join identifiers as left_identifiers on candidates.left_key = left_identifiers.record_key
    inner join identifiers as right_identifiers on candidates.right_key = right_identifiers.record_key
    where left_records.customer_key <> right_records.customer_key
)

select * from final
