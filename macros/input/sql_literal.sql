{% macro sql_literal(text) %}
    {{- "'" ~ (text | string).replace("'", "''") ~ "'" -}}
{% endmacro %}
