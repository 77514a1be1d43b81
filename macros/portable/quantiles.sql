{#- The smallest value that at least the share q of the values are not above, in the given order; always one of the values. -#}
{% macro quantile(expression, q, worst_to_best='asc') -%}
    percentile_disc({{ q }}) within group (order by {{ expression }} {{ worst_to_best }})
{%- endmacro %}


{#- The quantile from which the top percent begin. Rounded: 1 - 70 / 100 is a little more than .3, and that much would take the next value. -#}
{% macro top_share(percent) -%}
{{ (1 - percent / 100) | round(8) }}
{%- endmacro %}
