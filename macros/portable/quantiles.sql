{#- The smallest value that at least the share q of the values are not above, in the given order; always one of the values. -#}
{% macro quantile(expression, q, worst_to_best='asc') -%}
    percentile_disc({{ q }}) within group (order by {{ expression }} {{ worst_to_best }})
{%- endmacro %}


{#- The quantile from which the top percent begin. Rounded: 1 - 70 / 100 is a little more than .3, and that much would take the next value. -#}
{% macro top_share(percent) -%}
{{ (1 - percent / 100) | round(8) }}
{%- endmacro %}


{#- The three quartiles as one list: the values are kept once, not three times. -#}
{% macro quartiles(expression) %}
    {{- return(adapter.dispatch('quartiles', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__quartiles(expression) -%}
    quantile_disc({{ expression }}, [0.25, 0.5, 0.75])
{%- endmacro %}


{#- An element of a list, counted from 1. -#}
{% macro list_element(list, number) %}
    {{- return(adapter.dispatch('list_element', 'customer_segmentation')(list, number)) -}}
{% endmacro %}

{% macro duckdb__list_element(list, number) -%}
    {{ list }}[{{ number }}]
{%- endmacro %}
