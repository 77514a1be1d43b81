-- At the first period every member enters. A view, in the published file too: hashing ids for millions of changes would cost
-- more than deriving the changes, and few are read.

{{ config(materialized='view', meta={'published_as': 'view'}) }}

with changes as (
    {{ all_changes() | indent(4) }}
),

final as (
    select
        -- ids
        {{ hashed_id(['customer_id', 'segment_key', 'change', 'changed_on']) | indent(8) }} as change_id,
        customer_id,
        scheme,
        segment_key,

        -- what happened
        change,
        changed_on,
        cause
    from changes
)

select * from final
