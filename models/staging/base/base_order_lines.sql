-- Every raw order line with explicit types and its one fate: loaded, deduplicated or quarantined.
--
-- A view: this is by far the largest table, and writing a copy costs more than reading the few columns that the counts and
-- the quarantine need.

{{ config(materialized='view') }}

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'order_lines') }}
),

typed as {{ not_materialized() }} (
    select
        -- ids
        {{ to_key('order_id') }} as order_id,
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        line_number as raw_line_number,
        {{ try_cast('line_number', 'bigint') }} as line_number,
        {{ to_key('product_id') }} as product_id,

        -- numbers
        quantity as raw_quantity,
        {{ try_cast('quantity', 'decimal(18, 3)') }} as quantity,
        amount as raw_amount,
        {{ to_money('amount') }} as amount,
        discount_amount as raw_discount_amount,
        {{ to_money('discount_amount') }} as discount_amount,

        -- flags
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key(['order_id', 'product_id']) }} as has_inexact_key
    from source
),

judged as {{ not_materialized() }} (
    select
        *,
        {{ unusable_fields({
            'quantity': 'raw_quantity',
            'amount': 'raw_amount',
            'discount_amount': 'raw_discount_amount'
        }) }} as unusable_fields,
        case
            when has_inexact_key then 'inexact_key'
            when order_id is null then 'missing_order_id'
            when raw_line_number is null then 'missing_line_number'
            when line_number is null then 'invalid_line_number'
        end as failed_rule
    from typed
),

{{ row_fates(
    'judged',
    key=['order_id', 'source_system', 'line_number'],
    content=['product_id', 'quantity', 'amount', 'discount_amount'],
    uncompared=['is_synthetic', 'unusable_fields'],
    offending_columns={'invalid_line_number': 'raw_line_number'}
) }}

select * from fates
