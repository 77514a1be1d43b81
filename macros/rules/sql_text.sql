{#- Words of a YAML file as an SQL text. They are never trusted: a quote in a segment's values stays a quote. -#}
{% macro rule_sql_text(words) %}
    {{- return(adapter.dispatch('rule_sql_text', 'customer_segmentation')(words)) -}}
{% endmacro %}

{% macro default__rule_sql_text(words) %}
    {{- return("'" ~ (words | string).replace("'", "''") ~ "'") -}}
{% endmacro %}

{#- In Spark a doubled quote joins two texts and a backslash escapes. -#}
{% macro spark__rule_sql_text(words) %}
    {{- return("'" ~ (words | string).replace("\\", "\\\\").replace("'", "\\'") ~ "'") -}}
{% endmacro %}
