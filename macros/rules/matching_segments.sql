{#-
    One row per segment whose rule holds, in one pass over the customers. `part` is rule or stay_until; segments
    without that part give no rows. With no rule at all it is an empty list of texts: a select with it returns no rows.
-#}
{% macro matching_segments(rules, features='features', cutpoints='cutpoints', part='rule') %}
    {%- set keys = [] -%}
    {%- for segment in rules if segment[part] is not none -%}
        {%- do keys.append('case when ' ~ rule_condition(segment[part], features, cutpoints) ~ ' then ' ~ sql_literal(segment.segment_key) ~ ' end') -%}
    {%- endfor -%}
    {{- return(adapter.dispatch('matching_segments', 'customer_segmentation')(keys)) -}}
{% endmacro %}

{% macro default__matching_segments(keys) %}
    {%- if not keys -%}
        {{- return('unnest(cast([] as varchar[]))') -}}
    {%- endif -%}
    {{- return('unnest(list_filter([\n    ' ~ keys | join(',\n    ') ~ '\n], lambda segment_key: segment_key is not null))') -}}
{% endmacro %}

{% macro spark__matching_segments(keys) %}
    {%- if not keys -%}
        {{- return('explode(cast(array() as array<string>))') -}}
    {%- endif -%}
    {{- return('explode(filter(array(\n    ' ~ keys | join(',\n    ') ~ '\n), segment_key -> segment_key is not null))') -}}
{% endmacro %}
