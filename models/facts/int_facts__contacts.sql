-- One row per campaign and eligible customer it contacted: first contact, and first response after it.

{{ config(materialized='view') }}

with contacts as (
    select * from {{ ref('stg_campaign_contacts') }}
),

responses as (
    select * from {{ ref('stg_campaign_responses') }}
),

customer_references as (
    {{ eligible_references() | indent(4) }}
),

contacted as (
    select
        contacts.campaign_id,
        customer_references.customer_key,
        min(contacts.contacted_on) as contacted_on
    from contacts
    inner join customer_references
        on
            contacts.source_system = customer_references.source_system
            and contacts.customer_ref = customer_references.customer_ref
    group by contacts.campaign_id, customer_references.customer_key
),

responded as (
    select distinct
        responses.campaign_id,
        customer_references.customer_key,
        responses.responded_on
    from responses
    inner join customer_references
        on
            responses.source_system = customer_references.source_system
            and responses.customer_ref = customer_references.customer_ref
),

customer_contacts as (
    select
        contacted.campaign_id,
        contacted.customer_key,
        contacted.contacted_on,
        min(responded.responded_on) as responded_on
    from contacted
    left join responded
        on
            contacted.campaign_id = responded.campaign_id
            and contacted.customer_key = responded.customer_key
            and contacted.contacted_on <= responded.responded_on
    group by contacted.campaign_id, contacted.customer_key, contacted.contacted_on
)

select * from customer_contacts
