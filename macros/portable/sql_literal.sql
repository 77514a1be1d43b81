{#- Text from YAML and vars is never trusted. -#}
{% macro sql_literal(text) %}
    {{- return(adapter.dispatch('sql_literal', 'customer_segmentation')(text)) -}}
{% endmacro %}

{% macro default__sql_literal(text) %}
    {{- return("'" ~ (text | string).replace("'", "''") ~ "'") -}}
{% endmacro %}

{#- Spark reads backslashes as escapes, and fills in settings for ${name}. -#}
{% macro spark__sql_literal(text) %}
    {{- return("'" ~ (text | string).replace('\\', '\\\\').replace("'", "\\'").replace('${', '$\\u007B') ~ "'") -}}
{% endmacro %}
