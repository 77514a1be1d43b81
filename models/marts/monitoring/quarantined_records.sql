-- Erased people are excluded with all their references, and so are their order lines.

with erased_references as (
    select distinct
        source_system,
        reference
    from {{ ref('int_identity__erased_references') }}
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
    inner join erased_references
        on
            orders.source_system = erased_references.source_system
            and orders.customer_ref = erased_references.reference
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
    left join erased_references as by_reference
        on
            quarantined.source_system = by_reference.source_system
            and quarantined.customer_ref = by_reference.reference
    left join erased_references as by_record
        on
            quarantined.source_system = by_record.source_system
            and quarantined.record_key = by_record.reference
    left join erased_orders
        on
            quarantined.source_table = 'order_lines'
            and quarantined.source_system = erased_orders.source_system
            and quarantined.record_key = erased_orders.record_key
    where by_reference.reference is null and by_record.reference is null and erased_orders.record_key is null
)

select * from final
