-- One row per contract table and count: raw rows, their fates, and unusable values.
--
-- Each table is read once. Counts are bigint; so is the newest day, as days since 1 January 1970.

{{ config(materialized='table') }}

{% set checks_of = {} -%}
with rejected_lines as (
    select
        source_table,
        count(*) as value
    from {{ ref('stg_rejected_lines') }}
    group by source_table
),

readable_rows as (
    {% for table in contract_tables() -%}
    select
        '{{ table }}' as source_table,
        count(*) as value
    from {{ source('input', table) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

raw_counts as (
    select
        readable_rows.source_table,
        'rows' as check_name,
        readable_rows.value + coalesce(rejected_lines.value, 0) as value
    from readable_rows
    left join rejected_lines on readable_rows.source_table = rejected_lines.source_table
),

{% for table, staged in staged_tables().items() -%}
{%- set checks = ['loaded', 'deduplicated', 'quarantined'] %}
{{ table }}_counts as (
    select
        '{{ table }}' as source_table,
        {%- for column in staged.columns %}
        {%- do checks.append('filled_' ~ column) %}
        count(case when fate = 'loaded' then {{ column }} end) as filled_{{ column }},
        {%- endfor %}
        {%- for field in staged.unusable %}
        {%- do checks.append('unusable_' ~ field) %}
        count(
            case when fate = 'loaded' and ',' || unusable_fields || ',' like '%,{{ field }},%' then 1 end
        ) as unusable_{{ field }},
        {%- endfor %}
        {%- for reason in staged.reasons %}
        {%- do checks.append(reason) %}
        count(
            case when fate = 'loaded' and ',' || unusable_fields || ',' like '%,{{ reason }},%' then 1 end
        ) as {{ reason }},
        {%- endfor %}
        {%- if staged.seen_at %}
        {%- do checks.append('newest_day') %}
        {%- set newest = local_date("max(case when fate = 'loaded' then " ~ staged.seen_at ~ " end)") %}
        cast({{ day_number(newest) }} as bigint) as newest_day,  -- noqa: LT05
        {%- endif %}
        {%- if table == 'orders' %}
        {%- do checks.extend(['guests', 'other_currency']) %}
        count(case when fate = 'loaded' and customer_ref is null then 1 end) as guests,
        count(case when failed_rule = 'other_currency' then 1 end) as other_currency,
        {%- endif %}
        count(case when fate = 'loaded' then 1 end) as loaded,
        {%- if table != 'erasure_requests' %}
        {%- do checks.append('synthetic') %}
        count(case when fate = 'loaded' and is_synthetic then 1 end) as synthetic,
        {%- endif %}
        {%- if table in setting('retention') %}
        {%- do checks.append('expired') %}
        count(case when fate = 'expired' then 1 end) as expired,
        {%- endif %}
        count(case when fate = 'deduplicated' then 1 end) as deduplicated,
        count(case when fate = 'quarantined' then 1 end)
        + coalesce(
            (
                select rejected_lines.value
                from rejected_lines
                where rejected_lines.source_table = '{{ table }}'
            ), 0
        ) as quarantined
    from {{ ref('base_' ~ table) }}
),

{% do checks_of.update({table: checks}) -%}
{% endfor -%}

-- The newest version of an order counts, so a return under the id of its sale takes the sale away.
sales_turned_returns as (
    select
        'orders' as source_table,
        'sale_turned_return' as check_name,
        count(*) as value
    from {{ ref('base_orders') }} as returns
    where
        returns.fate = 'loaded'
        and returns.status = 'returned'
        and exists (
            select 1
            from {{ ref('base_orders') }} as sales
            where
                sales.order_id = returns.order_id
                and sales.source_system = returns.source_system
                and sales.fate = 'deduplicated'
                and sales.status = 'completed'
        )
),

counts as (
    select * from raw_counts
    union all
    select
        source_table,
        check_name,
        sum(value) as value
    from {{ source('input_door', 'kept_out') }}
    group by source_table, check_name
    union all
    select * from sales_turned_returns
    {%- for table, checks in checks_of.items() %}
    union all
    select
        source_table,
        check_name,
        value
    from {{ table }}_counts unpivot include nulls (value for check_name in ({{ checks | join(', ') }}))
    {%- endfor %}
)

select * from counts
