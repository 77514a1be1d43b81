{% macro regex_replace(expression, pattern, replacement) %}
    {{- return(adapter.dispatch('regex_replace', 'customer_segmentation')(expression, pattern, replacement)) -}}
{% endmacro %}

{% macro default__regex_replace(expression, pattern, replacement) -%}
    regexp_replace({{ expression }}, '{{ pattern }}', '{{ replacement }}', 'g')
{%- endmacro %}


{% macro regex_matches(expression, pattern) %}
    {{- return(adapter.dispatch('regex_matches', 'customer_segmentation')(expression, pattern)) -}}
{% endmacro %}

{% macro default__regex_matches(expression, pattern) -%}
    regexp_matches({{ expression }}, '{{ pattern }}')
{%- endmacro %}


{% macro without_accents(expression) %}
    {{- return(adapter.dispatch('without_accents', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro default__without_accents(expression) -%}
    strip_accents({{ expression }})
{%- endmacro %}


{% macro jaro_winkler(left, right) %}
    {{- return(adapter.dispatch('jaro_winkler', 'customer_segmentation')(left, right)) -}}
{% endmacro %}

{% macro default__jaro_winkler(left, right) -%}
    jaro_winkler_similarity({{ left }}, {{ right }})
{%- endmacro %}


{% macro edit_distance(left, right) %}
    {{- return(adapter.dispatch('edit_distance', 'customer_segmentation')(left, right)) -}}
{% endmacro %}

{% macro default__edit_distance(left, right) -%}
    damerau_levenshtein({{ left }}, {{ right }})
{%- endmacro %}
