-- One row per contract table and count: rows in the raw data, their fates, and what could not be used.

{{ config(materialized='table') }}

with raw_counts as (
    {% for table in contract_tables() -%}
    select
        '{{ table }}' as source_table,
        'rows' as check_name,
        count(*) as value
    from {{ source('input', table) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

{% for table, staged in staged_tables().items() -%}
{{ table }}_counts as (
    select
        count(case when fate = 'loaded' then 1 end) as loaded,
        count(case when fate = 'deduplicated' then 1 end) as deduplicated,
        count(case when fate = 'quarantined' then 1 end) as quarantined,
        {%- for field in staged.fields %}
        count(
            case when fate = 'loaded' and ',' || unusable_fields || ',' like '%,{{ field }},%' then 1 end
        ) as unusable_{{ field }},
        {%- endfor %}
        {%- if table == 'orders' %}
        count(case when fate = 'loaded' and customer_ref is null then 1 end) as guests,
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
    {%- if table == 'orders' %}{% do checks.append('guests') %}{% endif %}
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
