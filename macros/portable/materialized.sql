{#-
    Written between `as` and the bracket of a CTE that is cheaper to compute again than to keep: DuckDB keeps what is
    used twice, and 20 million typed orders do not fit into memory.
-#}
{% macro not_materialized() %}
    {{- return(adapter.dispatch('not_materialized', 'customer_segmentation')()) -}}
{% endmacro %}

{% macro duckdb__not_materialized() -%}
    not materialized
{%- endmacro %}


{#- The opposite: a CTE that is small, costs much and is used more than once. -#}
{% macro materialized() %}
    {{- return(adapter.dispatch('materialized', 'customer_segmentation')()) -}}
{% endmacro %}

{% macro duckdb__materialized() -%}
    materialized
{%- endmacro %}
