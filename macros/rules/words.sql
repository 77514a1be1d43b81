{% macro rule_words(node, inside=false, marks=false) %}
    {%- if node.kind == 'not' -%}
        {{- return('not (' ~ rule_words(node.rule, false, marks) ~ ')') -}}
    {%- elif node.kind == 'segment' -%}
        {{- return('in ' ~ node.segment_key ~ (' by its entry rule' if node.get('has_stay_until') else '')) -}}
    {%- elif 'cut_column' in node -%}
        {{- return(node.subject ~ (' ' if node.operator in ['above', 'below'] else ' in the ') ~ node.words ~ ('\x1f' ~ rule_operators()[node.operator].side ~ ' ' ~ node.cut_column ~ '\x1f' if marks else '')) -}}
    {%- elif node.kind not in ['all', 'any'] -%}
        {{- return(node.get('sentence') or node.subject ~ ' ' ~ node.words) -}}
    {%- endif -%}
    {%- set parts = [] -%}
    {%- for part in node.rules -%}
        {%- do parts.append(rule_words(part, true, marks)) -%}
    {%- endfor -%}
    {%- set words = parts | join(' and ' if node.kind == 'all' else ' or ') -%}
    {{- return('(' ~ words ~ ')' if inside else words) -}}
{% endmacro %}


{#- Before a plural: "no orders", not "orders at most 0", and never "1 orders". -#}
{% macro counted_words(operator, limit, words) %}
    {%- if operator == 'between' -%}
        {{- return(limit | join(' to ')) -}}
    {%- elif operator == 'equals' -%}
        {{- return('exactly ' ~ limit if limit else 'no') -}}
    {%- elif (operator, limit) in [('at_least', 1), ('more_than', 0)] -%}
        {{- return('any') -}}
    {%- elif (operator, limit) in [('at_most', 0), ('less_than', 1)] -%}
        {{- return('no') -}}
    {%- elif (operator, limit) == ('at_most', 1) -%}
        {{- return('fewer than 2') -}}
    {%- elif (operator, limit) == ('more_than', 1) -%}
        {{- return('at least 2') -}}
    {%- endif -%}
    {{- return(('fewer than' if operator == 'less_than' else words) ~ ' ' ~ limit) -}}
{% endmacro %}


{% macro definition_sql(segment, cutpoints='cutpoints') %}
    {%- set parts = [] -%}
    {%- for text in segment.marked_definition.split('\x1f') -%}
        {%- if loop.index is odd -%}
            {%- do parts.append(sql_literal(text)) -%}
        {%- else -%}
            {%- set side, cut = text.rsplit(' ', 1) -%}
            {%- do parts.append("coalesce(' (" ~ side ~ " ' || " ~ rounded_text(cutpoints ~ '.' ~ cut) ~ " || '" ~ (', ties included' if side in ['at least', 'at most'] else '') ~ ")', '')") -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(parts | join(' || ')) -}}
{% endmacro %}


{% macro rounded_text(expression, digits=2) %}
    {{- return(adapter.dispatch('rounded_text', 'customer_segmentation')(expression, digits)) -}}
{% endmacro %}

{% macro default__rounded_text(expression, digits) -%}
    cast(round({{ expression }}, {{ digits }}) as {{ dbt.type_string() }})
{%- endmacro %}

{#- Spark writes a double from ten million on as 1.0E7, rounds it by its digits, and has no -0.0. -#}
{% macro spark__rounded_text(expression, digits) -%}
    {%- set text = 'cast(try_cast(abs(' ~ rounded(expression, digits) ~ ') as decimal(38, ' ~ digits ~ ')) as string)' -%}
    case
        when typeof({{ expression }}) in ('float', 'double')
            then case when {{ expression }} < 0 then '-' else '' end || {{ regex_replace(text, '([.][0-9]+?)0+$', '\\1') }}
        else cast(round({{ expression }}, {{ digits }}) as string)
    end
{%- endmacro %}
