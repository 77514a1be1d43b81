-- Ids under which an erased customer may have been sent downstream: hashes and nothing else. A customer's id comes from the
-- first record, and was another one before records were linked; so each record and reference of the person adds an id.

{{ config(schema='restricted') }}

with erasure_requests as (
    select * from {{ ref('stg_erasure_requests') }}
),

source_records as (
    select * from {{ ref('stg_customers') }}
),

remembered_records as (
    select * from {{ ref('int_identity__records') }}
),

email_references as (
    select * from {{ ref('int_staging__email_references') }}
),

customer_references as (
    select * from {{ ref('int_identity__references') }}
),

forgotten as (
    select
        source_system,
        customer_ref as reference
    from erasure_requests
    union distinct
    -- Every active reference belongs to a customer, so one without a customer was erased with a record.
    select
        email_references.source_system,
        email_references.customer_ref as reference
    from email_references
    left join customer_references
        on
            email_references.source_system = customer_references.source_system
            and email_references.customer_ref = customer_references.customer_ref
    where email_references.is_active and customer_references.customer_key is null
    union distinct
    select
        source_records.source_system,
        source_records.record_id as reference
    from source_records
    left join remembered_records
        on
            source_records.source_system = remembered_records.source_system
            and source_records.record_id = remembered_records.record_id
    where remembered_records.record_id is null
    union distinct
    select
        source_records.source_system,
        source_records.customer_ref as reference
    from source_records
    left join remembered_records
        on
            source_records.source_system = remembered_records.source_system
            and source_records.record_id = remembered_records.record_id
    where remembered_records.record_id is null and source_records.customer_ref is not null
),

erasures as (
    select
        {{ hashed_id(['forgotten.source_system', 'forgotten.reference']) | indent(8) }} as customer_id
    from forgotten
    left join remembered_records
        on
            {{ hashed_id(['forgotten.source_system', 'forgotten.reference']) | indent(12) }}
            = remembered_records.customer_id
    where remembered_records.customer_id is null
)

select * from erasures
