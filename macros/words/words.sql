{#-
    A row for each word of a text, in small letters without accents and apostrophes: two letters at least, and nothing else
    inside. What holds a digit, an @, a slash or a dot between letters, such as an address, gives no word at all.
-#}
{% macro words_of(expression) %}
    {{- return(adapter.dispatch('words_of', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro words_cleaned(expression) -%}
{{ regex_replace(
    regex_replace('lower(' ~ without_accents(expression) ~ ')', "[''`\u2019]", ''),
    '\\S*([0-9@/\\\\]|\\pL\\.\\pL)\\S*', ' '
) }}
{%- endmacro %}

{% macro default__words_of(expression) -%}
    unnest(regexp_extract_all({{ words_cleaned(expression) }}, '\pL{2,}'))
{%- endmacro %}


{#- The columns that hold a ticket's share of each topic: topic_01, topic_02 and so on. -#}
{% macro topic_columns() %}
    {% set columns = [] %}
    {% for number in range(1, setting('topics').count + 1) %}
        {% do columns.append('topic_%02d' % number) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}
