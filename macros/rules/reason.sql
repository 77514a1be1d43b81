{#-
    Why a member is a member: the conditions that held, each with the customer's own value. Whoever only stays is told
    apart, since the entry rule no longer holds for them.
-#}
{% macro rule_reason(segment, features='features', cutpoints='cutpoints') %}
    {%- set reason = rule_clauses(segment.rule, features, cutpoints, false) -%}
    {%- if segment.stay_until is not none -%}
        {%- set reason = 'case when ' ~ rule_sql(segment.rule, features, cutpoints) ~ ' then ' ~ reason
            ~ " else 'stays: ' || " ~ rule_clauses(segment.stay_until, features, cutpoints, false) ~ ' end' -%}
    {%- endif -%}
    {{- return('left(' ~ reason ~ ', 200)') -}}
{% endmacro %}


{#-
    The clauses of a tree as one SQL text. Under not, the conditions that failed are the ones that count, and `all`
    and `any` change places. A group inside an any shows its clauses only when the whole group held: with
    (a and b) or c, a alone is no reason.
-#}
{% macro rule_clauses(node, features, cutpoints, negated) %}
    {%- if node.kind == 'not' -%}
        {{- return(rule_clauses(node.rule, features, cutpoints, not negated)) -}}
    {%- elif node.kind not in ['all', 'any'] -%}
        {{- return('case when ' ~ rule_held(node, features, cutpoints, negated) ~ ' then ' ~ rule_clause(node, features, cutpoints, negated) ~ ' end') -}}
    {%- endif -%}
    {%- set alternatives = (node.kind == 'any') != negated -%}
    {%- set clauses = [] -%}
    {%- for part in node.rules -%}
        {%- set clause = rule_clauses(part, features, cutpoints, negated) -%}
        {%- if alternatives and part.kind in ['all', 'any', 'not'] -%}
            {%- set clause = 'case when ' ~ rule_held(part, features, cutpoints, negated) ~ ' then ' ~ clause ~ ' end' -%}
        {%- endif -%}
        {%- do clauses.append(clause) -%}
    {%- endfor -%}
    {{- return("concat_ws('; ', " ~ clauses | join(', ') ~ ')') -}}
{% endmacro %}


{% macro rule_held(node, features, cutpoints, negated) %}
    {%- set condition = rule_sql(node, features, cutpoints) -%}
    {{- return('not (' ~ condition ~ ')' if negated else condition) -}}
{% endmacro %}


{#- One clause as SQL text: orders in the last 30 days: 2 (at least 1) -#}
{% macro rule_clause(node, features, cutpoints, negated) %}
    {%- set prefix = 'not: ' if negated else '' -%}
    {%- if node.kind == 'metric' -%}
        {%- set value = rule_value_sql(features ~ '.' ~ node.column) -%}
        {%- set before = sql_literal(prefix ~ rule_metric_words(node) ~ ': ') -%}
        {%- if 'cut_column' in node -%}
            {#- No cut exists while nobody has a value above 0; a null would swallow the clause. -#}
            {%- set cut = "coalesce(" ~ rule_value_sql(cutpoints ~ '.' ~ node.cut_column) ~ ", 'no limit yet')" -%}
            {%- set side = 'at least' if node.operator == 'top_percent' else 'at most' -%}
            {{- return(before ~ ' || ' ~ value ~ ' || ' ~ sql_literal(' (' ~ rule_limit_words(node) ~ ', ' ~ side ~ ' ') ~ ' || ' ~ cut ~ " || ')'") -}}
        {%- endif -%}
        {{- return(before ~ ' || ' ~ value ~ ' || ' ~ sql_literal(' (' ~ rule_limit_words(node) ~ ')')) -}}
    {%- elif node.kind == 'attribute' -%}
        {%- set value = 'cast(' ~ features ~ '.' ~ node.attribute ~ ' as ' ~ dbt.type_string() ~ ')' -%}
        {%- set before = sql_literal(prefix ~ node.attribute | replace('_', ' ') ~ ': ') -%}
        {{- return(before ~ ' || ' ~ value ~ ' || ' ~ sql_literal(' (one of ' ~ node.one_of | join(', ') ~ ')')) -}}
    {%- endif -%}
    {{- return(sql_literal(prefix ~ rule_reference_words(node))) -}}
{% endmacro %}


{#- Two decimals are enough for money, minutes and means; whole numbers keep none. -#}
{% macro rule_value_sql(value_sql) %}
    {{- return('cast(round(' ~ value_sql ~ ', 2) as ' ~ dbt.type_string() ~ ')') -}}
{% endmacro %}
