-- One row per table and reference of an erased person: those of the requests, and those that identity links to them. An e-mail
-- address of their records is a reference, too, unless another customer has it.

{{ config(schema='restricted') }}

with erasure_requests as (
    select * from {{ ref('stg_erasure_requests') }}
),

source_records as (
    select * from {{ ref('stg_customers') }}
),

orders as (
    select * from {{ ref('stg_orders') }}
),

events as (
    select * from {{ ref('stg_events') }}
),

identity_links as (
    select * from {{ ref('stg_identity_links') }}
),

remembered_records as (
    select * from {{ ref('int_identity__records') }}
),

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

customer_references as (
    select * from {{ ref('int_identity__references') }}
),

active_references as (
    {% for table in ['orders', 'events', 'identity_links'] -%}
    select
        '{{ table }}' as source_table,
        source_system,
        customer_ref
    from {{ table }}
    where customer_ref is not null
    {{ 'union distinct' if not loop.last }}
    {% endfor %}
),

forgotten_records as (
    select source_records.*
    from source_records
    left join remembered_records
        on
            source_records.source_system = remembered_records.source_system
            and source_records.record_id = remembered_records.record_id
    where remembered_records.record_id is null
),

forgotten_emails as (
    select
        source_system,
        {{ hashed_reference('email') }} as reference
    from forgotten_records
    where email is not null
),

erased_references as (
    select
        'erasure_requests' as source_table,
        source_system,
        customer_ref as reference
    from erasure_requests
    union distinct
    -- Every active reference belongs to a customer, so one without a customer was erased.
    select
        active_references.source_table,
        active_references.source_system,
        active_references.customer_ref as reference
    from active_references
    left join customer_references
        on
            active_references.source_system = customer_references.source_system
            and active_references.customer_ref = customer_references.customer_ref
    where customer_references.customer_key is null
    union distinct
    select
        'records' as source_table,
        source_system,
        record_id as reference
    from forgotten_records
    union distinct
    select
        'customers' as source_table,
        forgotten_records.source_system,
        forgotten_records.customer_ref as reference
    from forgotten_records
    left join customer_references
        on
            forgotten_records.source_system = customer_references.source_system
            and forgotten_records.customer_ref = customer_references.customer_ref
    where forgotten_records.customer_ref is not null and customer_references.customer_key is null
    union distinct
    select
        'emails' as source_table,
        forgotten_emails.source_system,
        forgotten_emails.reference
    from forgotten_emails
    left join identifiers on forgotten_emails.reference = identifiers.email_key
    where {{ is_email_reference('forgotten_emails.reference') }} and identifiers.email_key is null
)

select * from erased_references
