{% macro quantile(expression, q, worst_to_best='asc') -%}
    percentile_disc({{ q }}) within group (order by {{ expression }} {{ worst_to_best }})
{%- endmacro %}


{#- Of fewer values the smallest. -#}
{% macro nth_largest(expression, n) %}
    {{- return(adapter.dispatch('nth_largest', 'customer_segmentation')(expression, n)) -}}
{% endmacro %}

{% macro duckdb__nth_largest(expression, n) -%}
    list_min(max({{ expression }}, {{ n }}))
{%- endmacro %}

{% macro spark__nth_largest(expression, n) -%}
    array_min(slice(sort_array(collect_list({{ expression }}), false), 1, {{ n }}))
{%- endmacro %}


{#- As one list the engine keeps the values once, not three times. -#}
{% macro quartiles(expression) %}
    {{- return(adapter.dispatch('quartiles', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__quartiles(expression) -%}
    quantile_disc({{ expression }}, [0.25, 0.5, 0.75])
{%- endmacro %}

{% macro spark__quartiles(expression) -%}
    array({% for q in [0.25, 0.5, 0.75] %}{{ quantile(expression, q) }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}


{% macro list_element(list, number) %}
    {{- return(adapter.dispatch('list_element', 'customer_segmentation')(list, number)) -}}
{% endmacro %}

{% macro duckdb__list_element(list, number) -%}
    {{ list }}[{{ number }}]
{%- endmacro %}

{% macro spark__list_element(list, number) -%}
    get({{ list }}, cast({{ number }} as integer) - 1)
{%- endmacro %}
