{#- The smallest value that at least the share q of the values are not above, in the given order; always one of the values. -#}
{% macro quantile(expression, q, worst_to_best='asc') -%}
    percentile_disc({{ q }}) within group (order by {{ expression }} {{ worst_to_best }})
{%- endmacro %}
