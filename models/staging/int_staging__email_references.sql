-- One row per source system and e-mail reference that any table uses for a customer.

{{ config(materialized='table') }}

with used as (
    {#- At parse time the columns are unknown, so every table is read. -#}
    {% for table, staged in staged_tables().items() if staged.has_customer_ref or not execute -%}
    select
        source_system,
        customer_ref,
        {{ 'true' if table in ['orders', 'events', 'identity_links'] else 'false' }} as is_active
    from {{ ref('stg_' ~ table) }}
    where {{ is_email_reference('customer_ref') }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

email_references as (
    select
        source_system,
        customer_ref,
        max(is_active) as is_active
    from used
    group by source_system, customer_ref
)

select * from email_references
