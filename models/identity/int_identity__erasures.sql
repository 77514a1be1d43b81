-- Ids under which an erased customer may have been sent downstream: hashes and nothing else. A customer's id comes from the
-- first record, and was another one before records were linked; so each record and reference of the person adds an id.

{{ config(schema='restricted') }}

with erased_references as (
    select * from {{ ref('int_identity__erased_references') }}
),

remembered_records as (
    select * from {{ ref('int_identity__records') }}
),

possible_ids as (
    select distinct {{ hashed_id(['source_system', 'reference']) | indent(8) }} as customer_id
    from erased_references
),

erasures as (
    select possible_ids.customer_id
    from possible_ids
    left join remembered_records on possible_ids.customer_id = remembered_records.customer_id
    where remembered_records.customer_id is null
)

select * from erasures
