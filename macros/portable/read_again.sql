{#-
    Written between `as` and the bracket of a CTE that is cheaper to compute again than to keep: DuckDB keeps what is
    used twice, and 20 million typed orders do not fit into memory.
-#}
{% macro read_again() %}
    {{- return(adapter.dispatch('read_again', 'customer_segmentation')()) -}}
{% endmacro %}

{% macro duckdb__read_again() -%}
    not materialized
{%- endmacro %}

{#- Spark computes a CTE again wherever it is used, and has no words for it. -#}
{% macro spark__read_again() -%}
{%- endmacro %}


{#- The opposite: a CTE that is small, costs much and is used more than once. -#}
{% macro keep() %}
    {{- return(adapter.dispatch('keep', 'customer_segmentation')()) -}}
{% endmacro %}

{% macro duckdb__keep() -%}
    materialized
{%- endmacro %}

{% macro spark__keep() -%}
{%- endmacro %}
