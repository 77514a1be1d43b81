{#-
    Whether a text has the form of an e-mail address: something, one @, and a domain of two parts or more. Blanks and
    characters without width around it are none of its parts; whether anybody reads mail there is another matter.
-#}
{% macro is_email(expression) %}
    {{- return(adapter.dispatch('is_email', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__is_email(expression) -%}
    {%- set around = '[\\s\\p{Z}\\p{Cf}]*' -%}
    regexp_full_match({{ expression }}, '{{ around ~ email_form() ~ around }}')
{%- endmacro %}

{#- The form itself, as a regular expression; values.py has the same for the check of raw data. -#}
{% macro email_form() -%}
    [^@\s\p{Z}]{1,64}@[^@\s\p{Z}.]+([.][^@\s\p{Z}.]+)+
{%- endmacro %}
