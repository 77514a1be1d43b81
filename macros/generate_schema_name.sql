{#- Schemas are named by folder in dbt_project.yml and used as they are: `segmentation`, not `main_segmentation`. -#}
{% macro generate_schema_name(custom_schema_name, node) %}
    {{- custom_schema_name | trim if custom_schema_name else target.schema -}}
{% endmacro %}
