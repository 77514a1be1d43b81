-- Every raw control total with explicit types and its one fate: loaded, deduplicated or quarantined.

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'control_totals') }}
),

typed as {{ not_materialized() }} (
    select
        -- ids
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        lower({{ to_text('table_name') }}) as table_name,
        day as raw_day,

        -- numbers
        row_count as raw_row_count,
        {{ try_cast('row_count', 'bigint') }} as row_count,
        amount as raw_amount,
        {{ to_money('amount') }} as amount,

        -- flags
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic
    from source
),

dated as {{ not_materialized() }} (
    select
        *,
        {{ to_date('raw_day', 'source_system') }} as day
    from typed
),

judged as {{ not_materialized() }} (
    select
        *,
        {{ unusable_fields({
            'row_count': 'raw_row_count',
            'amount': 'raw_amount'
        }) }} as unusable_fields,
        case
            when table_name is null then 'missing_table_name'
            when raw_day is null then 'missing_day'
            when day is null then 'impossible_date'
        end as failed_rule
    from dated
),

{{ row_fates(
    'judged',
    key=['source_system', 'table_name', 'day'],
    content=['row_count', 'amount'],
    uncompared=['is_synthetic', 'unusable_fields'],
    offending_columns={'impossible_date': 'raw_day'}
) }}

select * from fates
