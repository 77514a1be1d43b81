{% macro json_text(members) %}
    {{- return(adapter.dispatch('json_text', 'customer_segmentation')(members)) -}}
{% endmacro %}

{% macro duckdb__json_text(members) -%}
    cast(json_object({% for key, value in members.items() %}'{{ key }}', {{ value }}{{ ', ' if not loop.last }}{% endfor %}) as varchar)
{%- endmacro %}

{% macro spark__json_text(members) -%}
    to_json(
        named_struct({% for key, value in members.items() %}'{{ key }}', {{ value }}{{ ', ' if not loop.last }}{% endfor %}),
        map('ignoreNullFields', 'false')
    )
{%- endmacro %}
