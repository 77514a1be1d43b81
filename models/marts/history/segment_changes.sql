-- At the first period everyone enters. A view, in the published file too: an id for each of millions of changes would cost
-- more than finding them, and few are read.

{{ config(materialized='view', meta={'published_as': 'view'}) }}

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

period_changes as (
    select * from {{ ref('int_segmentation__changes') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

customers as (
    select * from {{ ref('int_segmentation__customers_scored') }}
),

customer_ids as (
    {{ customer_ids('customers', 'periods') | indent(4) }}
),

changes as (
    {{ all_changes('memberships', 'period_changes', 'periods', 'customer_ids') | indent(4) }}
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
