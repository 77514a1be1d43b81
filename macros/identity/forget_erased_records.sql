{#- Only linking shows which other records belong to an erased person, and by then the earlier tables have them. -#}
{% macro forget_erased_records() %}
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
