{#- All matches of a regular expression replaced. Engines differ in whether they replace the first or all. -#}
{% macro regex_replace(expression, pattern, replacement) %}
    {{- return(adapter.dispatch('regex_replace', 'customer_segmentation')(expression, pattern, replacement)) -}}
{% endmacro %}

{% macro default__regex_replace(expression, pattern, replacement) -%}
    regexp_replace({{ expression }}, '{{ pattern }}', '{{ replacement }}', 'g')
{%- endmacro %}


{#- Whether a regular expression matches anywhere in a text. -#}
{% macro regex_matches(expression, pattern) %}
    {{- return(adapter.dispatch('regex_matches', 'customer_segmentation')(expression, pattern)) -}}
{% endmacro %}

{% macro default__regex_matches(expression, pattern) -%}
    regexp_matches({{ expression }}, '{{ pattern }}')
{%- endmacro %}


{#- A text without accents. Spark: NFKD by a function that the package registers. -#}
{% macro without_accents(expression) %}
    {{- return(adapter.dispatch('without_accents', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro default__without_accents(expression) -%}
    strip_accents({{ expression }})
{%- endmacro %}


{#- Similarity of two texts from 0 to 1 (Winkler 1990). -#}
{% macro jaro_winkler(left, right) %}
    {{- return(adapter.dispatch('jaro_winkler', 'customer_segmentation')(left, right)) -}}
{% endmacro %}

{% macro default__jaro_winkler(left, right) -%}
    jaro_winkler_similarity({{ left }}, {{ right }})
{%- endmacro %}


{#- Letters to insert, delete, change or swap with their neighbour to make one text the other (Damerau 1964). -#}
{% macro edit_distance(left, right) %}
    {{- return(adapter.dispatch('edit_distance', 'customer_segmentation')(left, right)) -}}
{% endmacro %}

{% macro default__edit_distance(left, right) -%}
    damerau_levenshtein({{ left }}, {{ right }})
{%- endmacro %}
