{% macro bitmap_agg(number, size) %}
    {{- return(adapter.dispatch('bitmap_agg', 'customer_segmentation')(number, size)) -}}
{% endmacro %}

{% macro duckdb__bitmap_agg(number, size) -%}
    bitstring_agg(cast({{ number }} as integer), 0, {{ size - 1 }})
{%- endmacro %}

{#- Spark's own bitmaps can't be intersected. -#}
{% macro spark__bitmap_agg(number, size) -%}
    case when count({{ number }}) > 0 then collect_set(cast({{ number }} as integer)) end
{%- endmacro %}


{% macro bitmap_overlap(set, other_set) %}
    {{- return(adapter.dispatch('bitmap_overlap', 'customer_segmentation')(set, other_set)) -}}
{% endmacro %}

{% macro duckdb__bitmap_overlap(set, other_set) -%}
    bit_count({{ set }} & {{ other_set }})
{%- endmacro %}

{% macro spark__bitmap_overlap(set, other_set) -%}
    cast(size(array_intersect({{ set }}, {{ other_set }})) as bigint)
{%- endmacro %}
