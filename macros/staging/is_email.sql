{% macro is_email(expression) %}
    {{- return(adapter.dispatch('is_email', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__is_email(expression) -%}
    {%- set around = '[\\s\\p{Z}\\p{Cf}]*' -%}
    regexp_full_match({{ expression }}, '{{ around ~ email_form() ~ around }}')
{%- endmacro %}

{% macro spark__is_email(expression) -%}
    {%- set around = '[\\s\\p{Z}\\p{Cf}]*' -%}
    {{ regex_matches(expression, '^' ~ around ~ email_form() ~ around ~ '$') }}
{%- endmacro %}

{#- identity/identifiers.py has the same form. -#}
{% macro email_form() -%}
    [^@\s\p{Z}]{1,64}@[^@\s\p{Z}.]+([.][^@\s\p{Z}.]+)+
{%- endmacro %}
