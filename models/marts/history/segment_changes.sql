-- At the first period everyone enters. A view, in the published file too: an id for each of millions of changes would cost
-- more than finding them, and few are read.

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
