{#- Text as a literal of SQL. What comes from YAML or vars is never trusted: a quote in it stays a quote. -#}
{% macro sql_literal(text) %}
    {{- return(adapter.dispatch('sql_literal', 'customer_segmentation')(text)) -}}
{% endmacro %}

{% macro default__sql_literal(text) %}
    {{- return("'" ~ (text | string).replace("'", "''") ~ "'") -}}
{% endmacro %}
