{#- A comparison with null is neither true nor false, also under not; at the end it means: no member. -#}
{% macro rule_condition(node, features='features', cutpoints='cutpoints') %}
    {{- return('coalesce(' ~ rule_sql(node, features, cutpoints) ~ ', false)') -}}
{% endmacro %}


{% macro rule_sql(node, features, cutpoints) %}
    {%- if node.kind == 'metric' -%}
        {%- set value = features ~ '.' ~ node.column -%}
        {%- if node.operator == 'between' -%}
            {{- return('(' ~ value ~ ' between ' ~ node.limit[0] ~ ' and ' ~ node.limit[1] ~ ')') -}}
        {%- endif -%}
        {%- set comparison = rule_operators()[node.operator].sql -%}
        {%- if 'cut_column' in node -%}
            {#- The cut is taken among values above 0, and nobody without any is in the top or bottom of them. -#}
            {{- return('(' ~ value ~ ' > 0 and ' ~ value ~ ' ' ~ comparison ~ ' ' ~ cutpoints ~ '.' ~ node.cut_column ~ ')') -}}
        {%- endif -%}
        {{- return(value ~ ' ' ~ comparison ~ ' ' ~ node.limit) -}}
    {%- elif node.kind == 'attribute' -%}
        {%- set values = [] -%}
        {%- for value in node.one_of -%}
            {%- do values.append(sql_literal(value)) -%}
        {%- endfor -%}
        {{- return('cast(' ~ features ~ '.' ~ node.attribute ~ ' as ' ~ dbt.type_string() ~ ') in (' ~ values | join(', ') ~ ')') -}}
    {%- elif node.kind == 'segment' -%}
        {%- if 'rule' in node -%}
            {{- return(rule_sql(node.rule, features, cutpoints)) -}}
        {%- endif -%}
        {{- return(features ~ '.' ~ node.scheme ~ ' = ' ~ sql_literal(node.name)) -}}
    {%- elif node.kind == 'not' -%}
        {{- return('not (' ~ rule_sql(node.rule, features, cutpoints) ~ ')') -}}
    {%- endif -%}
    {%- set parts = [] -%}
    {%- for part in node.rules -%}
        {%- do parts.append(rule_sql(part, features, cutpoints)) -%}
    {%- endfor -%}
    {{- return('(' ~ parts | join(' and ' if node.kind == 'all' else ' or ') ~ ')') -}}
{% endmacro %}
