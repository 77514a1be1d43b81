{#- A rule in words: what `segments.definition` and messages show. -#}
{% macro rule_words(node, inside=false) %}
    {%- if node.kind == 'metric' -%}
        {{- return(rule_metric_words(node) ~ (' in the ' if 'cut_column' in node else ' ') ~ rule_limit_words(node)) -}}
    {%- elif node.kind == 'attribute' -%}
        {{- return(node.attribute | replace('_', ' ') ~ ' one of ' ~ node.one_of | join(', ')) -}}
    {%- elif node.kind == 'segment' -%}
        {{- return(rule_reference_words(node)) -}}
    {%- elif node.kind == 'not' -%}
        {{- return('not (' ~ rule_words(node.rule) ~ ')') -}}
    {%- endif -%}
    {%- set parts = [] -%}
    {%- for part in node.rules -%}
        {%- do parts.append(rule_words(part, true)) -%}
    {%- endfor -%}
    {%- set words = parts | join(' and ' if node.kind == 'all' else ' or ') -%}
    {{- return('(' ~ words ~ ')' if inside else words) -}}
{% endmacro %}


{#- 'orders in the last 30 days' -#}
{% macro rule_metric_words(condition) %}
    {{- return((condition.metric | replace('_', ' ') ~ ' ' ~ metric_window_words(condition)).rstrip()) -}}
{% endmacro %}


{#- 'at least 1', 'between 2 and 5', 'top 25 %' -#}
{% macro rule_limit_words(condition) %}
    {%- set words = rule_operators()[condition.operator].words -%}
    {%- if condition.operator == 'between' -%}
        {{- return(words ~ ' ' ~ condition.limit | join(' and ')) -}}
    {%- endif -%}
    {{- return(words ~ ' ' ~ condition.limit ~ (' %' if 'cut_column' in condition else '')) -}}
{% endmacro %}


{#- A reference takes the entry rule only; where the segment also has members who merely stay, the words say so. -#}
{% macro rule_reference_words(condition) %}
    {{- return('in ' ~ condition.segment_key ~ (' by its entry rule' if condition.has_stay_until else '')) -}}
{% endmacro %}
