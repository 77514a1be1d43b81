-- People who asked to be forgotten are not listed here either.

with erasure_requests as (
    select * from {{ ref('stg_erasure_requests') }}
),

quarantined as (
    {% for table, staged in staged_tables().items() -%}
    select
        '{{ table }}' as source_table,
        source_system,
        customer_ref,
        {{ safe_reference(staged.key) | indent(8) }} as record_key,
        failed_rule as rule
    from {{ ref('base_' ~ table) }}
    where fate = 'quarantined'
    union all
    {% endfor -%}
    select
        source_table,
        'default' as source_system,
        null as customer_ref,
        'line ' || line as record_key,
        failed_rule as rule
    from {{ ref('stg_rejected_lines') }}
),

final as (
    select
        -- ids
        quarantined.source_table,
        quarantined.source_system,
        quarantined.record_key,

        -- words
        quarantined.rule
    from quarantined
    left join erasure_requests
        on
            quarantined.source_system = erasure_requests.source_system
            and erasure_requests.customer_ref in (quarantined.customer_ref, quarantined.record_key)
    where erasure_requests.customer_ref is null
)

select * from final
