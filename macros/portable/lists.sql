{% macro list_in_order(value, order_by, condition) %}
    {{- return(adapter.dispatch('list_in_order', 'customer_segmentation')(value, order_by, condition)) -}}
{% endmacro %}

{% macro default__list_in_order(value, order_by, condition) -%}
    list({{ value }} order by {{ order_by }}) filter (where {{ condition }})
{%- endmacro %}

{% macro spark__list_in_order(value, order_by, condition) -%}
    case
        when count(case when {{ condition }} then 1 end) > 0
            then transform(
                array_sort(collect_list(case when {{ condition }} then named_struct('place', {{ order_by }}, 'item', {{ value }}) end)),
                one -> one.item
            )
    end
{%- endmacro %}


{#- dbt.listagg leaves out the order on Spark. -#}
{% macro joined_list(list, separator) %}
    {{- return(adapter.dispatch('joined_list', 'customer_segmentation')(list, separator)) -}}
{% endmacro %}

{% macro default__joined_list(list, separator) -%}
    array_to_string({{ list }}, {{ sql_literal(separator) }})
{%- endmacro %}

{% macro spark__joined_list(list, separator) -%}
    array_join({{ list }}, {{ sql_literal(separator) }})
{%- endmacro %}


{% macro dot_product(left, right) %}
    {{- return(adapter.dispatch('dot_product', 'customer_segmentation')(left, right)) -}}
{% endmacro %}

{% macro default__dot_product(left, right) -%}
    list_dot_product({{ left }}, {{ right }})
{%- endmacro %}

{% macro spark__dot_product(left, right) -%}
    aggregate(zip_with({{ left }}, {{ right }}, (one, other) -> cast(one as double) * other), cast(0 as double), (total, product) -> total + product)
{%- endmacro %}


{% macro count_below(list, value) %}
    {{- return(adapter.dispatch('count_below', 'customer_segmentation')(list, value)) -}}
{% endmacro %}

{% macro default__count_below(list, value) -%}
    len(list_filter({{ list }}, lambda one: one < {{ value }}))
{%- endmacro %}

{% macro spark__count_below(list, value) -%}
    cast(size(filter({{ list }}, one -> one < {{ value }})) as bigint)
{%- endmacro %}


{#-
    Complete binary trees, all walked at once, a level at a time. The nodes of a level are numbered from 0 over all trees, so that
    those below node n are 2n and 2n + 1; the lists have the levels one after the other.
-#}
{% macro sum_of_leaves(values, trees, levels) %}
    {{- return(adapter.dispatch('sum_of_leaves', 'customer_segmentation')(values, trees, levels)) -}}
{% endmacro %}

{% macro default__sum_of_leaves(values, trees, levels) -%}
    {%- set walk = namespace(nodes='range(' ~ trees ~ '.trees)') -%}
    {%- for level in range(levels) -%}
        {%- set place = '[' ~ trees ~ '.trees * ' ~ (2 ** level - 1) ~ ' + node + 1]' -%}
        {%- set walk.nodes = 'list_transform(' ~ walk.nodes ~ ', lambda node: 2 * node + case when ' ~ values ~ '[' ~ trees ~ '.split_features' ~ place ~ '] <= '
            ~ trees ~ '.split_thresholds' ~ place ~ ' then 0 else 1 end)' -%}
    {%- endfor -%}
    list_sum(list_transform({{ walk.nodes }}, lambda node: {{ trees }}.leaves[node + 1]))
{%- endmacro %}

{#- Lists begin at 0 here. -#}
{% macro spark__sum_of_leaves(values, trees, levels) -%}
    {%- set walk = namespace(nodes='sequence(0, cast(' ~ trees ~ '.trees as integer) - 1)') -%}
    {%- for level in range(levels) -%}
        {%- set place = 'cast(' ~ trees ~ '.trees * ' ~ (2 ** level - 1) ~ ' + node as integer)' -%}
        {%- set walk.nodes = 'transform(' ~ walk.nodes ~ ', node -> 2 * node + case when get(' ~ values ~ ', cast(get(' ~ trees ~ '.split_features, '
            ~ place ~ ') as integer) - 1) <= get(' ~ trees ~ '.split_thresholds, ' ~ place ~ ') then 0 else 1 end)' -%}
    {%- endfor -%}
    aggregate(transform({{ walk.nodes }}, node -> get({{ trees }}.leaves, node)), cast(0 as double), (total, leaf) -> total + leaf)
{%- endmacro %}
