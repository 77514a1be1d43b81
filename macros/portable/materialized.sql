{#- DuckDB keeps a CTE that is used twice, and 20 million typed orders do not fit into memory. -#}
{% macro not_materialized() %}
    {{- return(adapter.dispatch('not_materialized', 'customer_segmentation')()) -}}
{% endmacro %}

{% macro duckdb__not_materialized() -%}
    not materialized
{%- endmacro %}

{#- Spark has no such words: it keeps no CTE. -#}
{% macro spark__not_materialized() -%}
{%- endmacro %}


{% macro materialized() %}
    {{- return(adapter.dispatch('materialized', 'customer_segmentation')()) -}}
{% endmacro %}

{% macro duckdb__materialized() -%}
    materialized
{%- endmacro %}

{% macro spark__materialized() -%}
{%- endmacro %}
