with quarantined as (
    {% for table, staged in staged_tables().items() -%}
    select
        '{{ table }}' as source_table,
        source_system,
        {{ safe_reference(staged.key) | indent(8) }} as record_key,
        failed_rule as rule
    from {{ ref('base_' ~ table) }}
    where fate = 'quarantined'
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

final as (
    select
        -- ids
        source_table,
        source_system,
        record_key,

        -- words
        rule
    from quarantined
)

select * from final
