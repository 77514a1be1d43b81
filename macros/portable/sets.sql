{#- An aggregate: which of the whole numbers from 0 to below `size` occur, as a set. -#}
{% macro set_of(number, size) %}
    {{- return(adapter.dispatch('set_of', 'customer_segmentation')(number, size)) -}}
{% endmacro %}

{% macro duckdb__set_of(number, size) -%}
    bitstring_agg(cast({{ number }} as integer), 0, {{ size - 1 }})
{%- endmacro %}

{% macro spark__set_of(number, size) -%}
    collect_set({{ number }})
{%- endmacro %}


{#- How many numbers are in both of two such sets of the same size. -#}
{% macro size_of_both(set, other_set) %}
    {{- return(adapter.dispatch('size_of_both', 'customer_segmentation')(set, other_set)) -}}
{% endmacro %}

{% macro duckdb__size_of_both(set, other_set) -%}
    bit_count({{ set }} & {{ other_set }})
{%- endmacro %}

{% macro spark__size_of_both(set, other_set) -%}
    size(array_intersect({{ set }}, {{ other_set }}))
{%- endmacro %}
