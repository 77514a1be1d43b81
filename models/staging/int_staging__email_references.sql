-- One row per source system and e-mail reference that any table uses for a customer.

{{ config(materialized='table') }}

with email_references as (
    {#- At parse time the columns are unknown, so every table is read. -#}
    {% for table, staged in staged_tables().items() if staged.has_customer_ref or not execute -%}
    select
        source_system,
        customer_ref
    from {{ ref('stg_' ~ table) }}
    where {{ is_email_reference('customer_ref') }}
    {{ 'union distinct' if not loop.last }}
    {% endfor %}
)

select * from email_references
