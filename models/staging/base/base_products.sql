-- Every raw product with explicit types and its one fate: loaded, deduplicated or quarantined.
--
-- A view, like base_order_lines.

{{ config(materialized='view') }}

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'products') }}
),

typed as {{ not_materialized() }} (
    select
        -- ids
        {{ to_key('product_id') }} as product_id,

        -- words
        {{ to_text('name') }} as name,
        {{ to_text('category') }} as category,
        {{ to_text('subcategory') }} as subcategory,
        {{ to_text('brand') }} as brand,

        -- flags
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key(['product_id']) }} as has_inexact_key
    from source
),

judged as {{ not_materialized() }} (
    select
        *,
        case
            when has_inexact_key then 'inexact_key'
            when product_id is null then 'missing_product_id'
        end as failed_rule
    from typed
),

{{ row_fates(
    'judged',
    key=['product_id'],
    content=['name', 'category', 'subcategory', 'brand'],
    uncompared=['is_synthetic']
) }}

select * from fates
