{#- A comparison with null is neither true nor false, even under not; at the end it means no member. -#}
{% macro rule_condition(node, features='features', cutpoints='cutpoints') %}
    {{- return('coalesce(' ~ rule_sql(node, features, cutpoints) ~ ', false)') -}}
{% endmacro %}


{% macro rule_sql(node, features, cutpoints) %}
    {%- if node.kind in ['all', 'any'] -%}
        {%- set parts = [] -%}
        {%- for part in node.rules -%}
            {%- do parts.append(rule_sql(part, features, cutpoints)) -%}
        {%- endfor -%}
        {{- return('(' ~ parts | join(' and ' if node.kind == 'all' else ' or ') ~ ')') -}}
    {%- elif node.kind == 'not' -%}
        {{- return('not (' ~ rule_sql(node.rule, features, cutpoints) ~ ')') -}}
    {%- elif node.kind == 'segment' -%}
        {{- return(rule_sql(node.rule, features, cutpoints) if 'rule' in node else features ~ '.' ~ node.scheme ~ ' = ' ~ sql_literal(node.name)) -}}
    {%- endif -%}
    {%- set value = condition_value(node, features) -%}
    {%- if node.get('is_number') -%}
        {%- set value = to_number("rtrim(" ~ value ~ ", '+')") -%}
    {%- endif -%}
    {%- if node.operator in ['above', 'below'] -%}
        {#- As the mean is: the mean of equal values must not lie beside them. -#}
        {%- set value = rounded(value) -%}
    {%- endif -%}
    {%- if 'cut_column' in node -%}
        {#- The cut is taken among values above 0: a customer without one is in neither end. -#}
        {{- return('(' ~ value ~ ' > 0 and ' ~ value ~ ' ' ~ rule_operators()[node.operator].sql ~ ' ' ~ cutpoints ~ '.' ~ node.cut_column ~ ')') -}}
    {%- endif -%}
    {%- if 'than' in node -%}
        {{- return('(' ~ value ~ ' ' ~ rule_operators()[node.operator].sql ~ ' ' ~ node.than.factor ~ ' * ' ~ features ~ '.' ~ node.than.column ~ ')') -}}
    {%- endif -%}
    {{- return('(' ~ value ~ ' ' ~ node.test ~ ')') -}}
{% endmacro %}


{% macro condition_value(condition, features) %}
    {%- set value = features ~ '.' ~ condition.column -%}
    {%- if condition.kind == 'date' and condition.operator in ['after', 'before', 'anniversary_in_days'] and condition.column != 'birthday_in_days' -%}
        {%- set value = days_before(features ~ '.as_of', value) -%}
        {%- if condition.operator == 'anniversary_in_days' -%}
            {%- set value = days_to_anniversary(value, features ~ '.as_of') -%}
        {%- endif -%}
    {%- elif condition.kind == 'sample_percent' -%}
        {#- The same number in each build; other salts draw independently. -#}
        {%- set value = 'mod(' ~ compact_key(hashed_id([value, sql_literal(condition.salt)])) ~ ', 100000000) / 1000000.0' -%}
    {%- endif -%}
    {{- return('cast(' ~ value ~ ' as ' ~ dbt.type_string() ~ ')' if condition.kind == 'attribute' else value) -}}
{% endmacro %}
