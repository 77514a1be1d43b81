-- One row per contract table and count: rows in the raw data, their fates, and what could not be used.

{{ config(materialized='table') }}

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
{{ table }}_counts as (
    select
        count(case when fate = 'loaded' then 1 end) as loaded,
        count(case when fate = 'deduplicated' then 1 end) as deduplicated,
        count(case when fate = 'quarantined' then 1 end)
        + {{ rejected_lines_of(table) }} as quarantined,
        {%- for field in staged.fields %}
        count(
            case when fate = 'loaded' and ',' || unusable_fields || ',' like '%,{{ field }},%' then 1 end
        ) as unusable_{{ field }},
        {%- endfor %}
        {%- if table == 'orders' %}
        count(case when fate = 'loaded' and customer_ref is null then 1 end) as guests,
        count(case when failed_rule = 'other_currency' then 1 end) as other_currency,
        {%- endif %}
        '{{ table }}' as source_table
    from {{ ref('base_' ~ table) }}
),

{% endfor -%}

counts as (
    select * from raw_counts
    {%- for table, staged in staged_tables().items() %}
    {%- set checks = ['loaded', 'deduplicated', 'quarantined'] %}
    {%- for field in staged.fields %}{% do checks.append('unusable_' ~ field) %}{% endfor %}
    {%- if table == 'orders' %}{% do checks.extend(['guests', 'other_currency']) %}{% endif %}
    {%- for check in checks %}
    union all
    select
        source_table,
        '{{ check }}' as check_name,
        {{ check }} as value
    from {{ table }}_counts
    {%- endfor %}
    {%- endfor %}
)

select * from counts
