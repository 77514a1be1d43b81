{#- Text from YAML and vars is never trusted. -#}
{% macro sql_literal(text) %}
    {{- return(adapter.dispatch('sql_literal', 'customer_segmentation')(text)) -}}
{% endmacro %}

{% macro default__sql_literal(text) %}
    {{- return("'" ~ (text | string).replace("'", "''") ~ "'") -}}
{% endmacro %}
