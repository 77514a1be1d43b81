{#- Only linking shows which other records belong to an erased person, and by then the earlier tables have them. -#}
{% macro forget_erased_records() %}
    {{- return(adapter.dispatch('forget_erased_records', 'customer_segmentation')()) -}}
{% endmacro %}

{% macro default__forget_erased_records() %}
    {%- set remembered = 'select record_key from ' ~ this -%}
    delete from {{ ref('int_identity__identifiers').render() }} where record_key not in ({{ remembered }});
    delete from {{ ref('int_identity__linkage_sample').render() }} where record_key not in ({{ remembered }});
    delete from {{ ref('int_identity__pairs').render() }} where left_key not in ({{ remembered }}) or right_key not in ({{ remembered }});
    delete from {{ ref('int_identity__decisions').render() }} where left_key not in ({{ remembered }}) or right_key not in ({{ remembered }});
    delete from {{ ref('int_identity__merges').render() }} where left_key not in ({{ remembered }}) or right_key not in ({{ remembered }});
    {#- One condition for each column: `or` would compare every reference with every record. -#}
    delete from {{ ref('int_identity__activity').render() }} as activity
    where
        {%- for column in ['customer_ref', 'record_id'] %}
        {{ 'and ' if not loop.first }}not exists (
            select 1
            from {{ this }} as records
            where
                activity.source_system = records.source_system
                and activity.customer_ref = records.{{ column }}
        )
        {%- endfor %};
{% endmacro %}

{#- By replacing the tables: those of Parquet files have no delete. dbt looks for refs outside of conditions. -#}
{% macro spark__forget_erased_records() %}
    {%- set remembered, activity = 'select record_key from ' ~ this, ref('int_identity__activity') -%}
    {%- set tables = {
        ref('int_identity__identifiers'): ['record_key'],
        ref('int_identity__linkage_sample'): ['record_key'],
        ref('int_identity__pairs'): ['left_key', 'right_key'],
        ref('int_identity__decisions'): ['left_key', 'right_key'],
        ref('int_identity__merges'): ['left_key', 'right_key'],
    } -%}
    {%- set kept_activity -%}
        select activity.*
        from {{ activity }} as activity
        {%- for column in ['customer_ref', 'record_id'] %}
        {{ 'where' if loop.first else 'or' }} exists (
            select 1
            from {{ this }} as records
            where
                activity.source_system = records.source_system
                and activity.customer_ref = records.{{ column }}
        )
        {%- endfor -%}
    {%- endset -%}
    {%- if execute and flags.WHICH in ['build', 'run', 'retry'] -%}
        {%- for table, keys in tables.items() -%}
            {%- do spark__replace_table(table, 'select * from ' ~ table ~ ' where ' ~ keys | join(' in (' ~ remembered ~ ') and ') ~ ' in (' ~ remembered ~ ')') -%}
        {%- endfor -%}
        {%- do spark__replace_table(activity, kept_activity) -%}
    {%- endif -%}
{% endmacro %}
