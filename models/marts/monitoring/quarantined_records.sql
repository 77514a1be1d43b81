-- Erased customers are excluded, and so are their order lines.

with erasure_requests as (
    select * from {{ ref('stg_erasure_requests') }}
),

orders as (
    select * from {{ ref('base_orders') }}
),

quarantined as (
    {% for table, staged in staged_tables().items() -%}
    select
        '{{ table }}' as source_table,
        {{ 'source_system' if staged.has_source_system else "'default' as source_system" }},
        {{ 'customer_ref' if staged.has_customer_ref else 'cast(null as ' ~ dbt.type_string() ~ ') as customer_ref' }},
        {{ safe_reference(staged.key) | indent(8) }} as record_key,
        failed_rule as rule,
        masked_value
    from {{ ref('base_' ~ table) }}
    where fate = 'quarantined'
    union all
    {% endfor -%}
    select
        source_table,
        'default' as source_system,
        null as customer_ref,
        'line ' || line as record_key,
        failed_rule as rule,
        null as masked_value
    from {{ ref('stg_rejected_lines') }}
),

erased_orders as (
    select distinct
        orders.source_system,
        {{ safe_reference('orders.order_id') | indent(8) }} as record_key
    from orders
    inner join erasure_requests
        on
            orders.source_system = erasure_requests.source_system
            and orders.customer_ref = erasure_requests.customer_ref
),

final as (
    select
        -- ids
        quarantined.source_table,
        quarantined.source_system,
        quarantined.record_key,

        -- words
        quarantined.rule,
        quarantined.masked_value
    from quarantined
    left join erasure_requests
        on
            quarantined.source_system = erasure_requests.source_system
            and erasure_requests.customer_ref in (quarantined.customer_ref, quarantined.record_key)
    left join erased_orders
        on
            quarantined.source_table = 'order_lines'
            and quarantined.source_system = erased_orders.source_system
            and quarantined.record_key = erased_orders.record_key
    where erasure_requests.customer_ref is null and erased_orders.record_key is null
)

select * from final
