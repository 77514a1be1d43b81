{#- One pass over the customers. Filtering numbers costs less than filtering texts, so a second list holds the keys. -#}
{% macro matching_segments(rules, features='features', cutpoints='cutpoints', part='rule') %}
    {%- set keys, numbers = [], [] -%}
    {%- for segment in rules if segment[part] is not none -%}
        {%- do keys.append(sql_literal(segment.segment_key)) -%}
        {%- do numbers.append('case when ' ~ rule_condition(segment[part], features, cutpoints) ~ ' then ' ~ keys | length ~ ' end') -%}
    {%- endfor -%}
    {{- return(adapter.dispatch('matching_segments', 'customer_segmentation')(keys, numbers)) -}}
{% endmacro %}

{% macro default__matching_segments(keys, numbers) %}
    {%- if not keys -%}
        {{- return('unnest(cast([] as varchar[]))') -}}
    {%- endif -%}
    {%- set matching = 'list_filter([\n    ' ~ numbers | join(',\n    ') ~ '\n], lambda number: number is not null)' -%}
    {{- return('list_extract([' ~ keys | join(', ') ~ '], unnest(' ~ matching ~ '))') -}}
{% endmacro %}

{% macro spark__matching_segments(keys, numbers) %}
    {%- if not keys -%}
        {{- return('explode(cast(array() as array<string>))') -}}
    {%- endif -%}
    {%- set matching = 'filter(array(\n    ' ~ numbers | join(',\n    ') ~ '\n), number -> number is not null)' -%}
    {{- return('explode(transform(' ~ matching ~ ', number -> element_at(array(' ~ keys | join(', ') ~ '), number)))') -}}
{% endmacro %}
