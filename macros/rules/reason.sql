{% macro membership_reason(memberships, features) -%}
case
    {%- for segment, words in non_buyer_segments().items() %}
    when {{ memberships }}.segment_key = {{ memberships }}.scheme || ':{{ segment }}' then '{{ words.reason }}'
    {%- endfor %}
    {%- for segment in rule_segments() %}
    when {{ memberships }}.segment_key = '{{ segment.segment_key }}' then {{ rule_reason(segment, features) | indent(4) }}
    {%- endfor %}
    {%- for name, scheme in schemes().items() %}
    when {{ memberships }}.scheme = '{{ name }}' then {{ scheme_reason(scheme, features) | indent(4) }}
    {%- endfor %}
    when {{ memberships }}.scheme = 'rfm' then
        'last order ' || {{ counted(features ~ '.recency_days__all', 'day') }}
        {%- if setting('rfm_recency') == 'own_gaps' %} || ' or ' || {{ rounded_text(features ~ '.recency_gaps') }} || ' own gaps'{% endif %} || ' ago (score ' || {{ features }}.recency_score || '), '
        || {{ counted(features ~ '.orders__all', 'order') }} || ' (score ' || {{ features }}.frequency_score || ')'
    when {{ memberships }}.scheme = 'spend_breaks' then 'lifetime revenue: ' || {{ money_words(features ~ '.revenue__all') }}
    {%- for scheme in ['cluster', 'journeys'] %}
    when {{ memberships }}.scheme = '{{ scheme }}' then coalesce(
        case when {{ features }}.{{ scheme }} = 'outlier' then 'far from every centre, the nearest is ' else 'nearest centre, ' end
        || {{ rounded_text(features ~ '.' ~ scheme ~ '_distance') }} || ' standard deviations away',
        'no clusters were found'
    )
    {%- endfor %}
end
{%- endmacro %}


{% macro scheme_reason(scheme, features) %}
    {%- set clauses = {} -%}
    {%- for condition in scheme.conditions -%}
        {%- set value = condition_text(condition, features) -%}
        {%- if not condition.get('is_shown', true) -%}
            {%- set value = 'case when ' ~ rule_sql(condition, features, 'cutpoints') ~ " then 'yes' else 'no' end" -%}
        {%- elif condition.column == scheme.attribute -%}
            {%- set value = 'coalesce(' ~ value ~ ", 'unknown')" -%}
        {%- endif -%}
        {%- do clauses.update({(condition.column, condition.subject): sql_literal(condition.subject ~ ': ') ~ ' || ' ~ value}) -%}
    {%- endfor -%}
    {%- if not clauses -%}
        {{- return("'everyone'") -}}
    {%- endif -%}
    {#- Of customers without any of the values: recency of prospects. -#}
    {%- set absent = (scheme.conditions | map(attribute='subject') | unique | join(': none; ') ~ ': none')[:200] -%}
    {{- return("left(coalesce(nullif(concat_ws('; ', " ~ clauses.values() | join(', ') ~ "), ''), " ~ sql_literal(absent) ~ '), 200)') -}}
{% endmacro %}


{% macro rule_reason(segment, features='features', cutpoints='cutpoints') %}
    {%- set reason = rule_clauses(segment.rule, features, cutpoints, false) -%}
    {%- if segment.stay_until is not none -%}
        {%- set reason = 'case when ' ~ rule_sql(segment.rule, features, cutpoints) ~ ' then ' ~ reason
            ~ " else 'stays: ' || " ~ rule_clauses(segment.stay_until, features, cutpoints, false) ~ ' end' -%}
    {%- endif -%}
    {{- return('left(' ~ reason ~ ', 200)') -}}
{% endmacro %}


{#-
    Under not, failed conditions count, and `all` and `any` change places. A group inside an any shows its clauses only if
    the whole group held: with (a and b) or c, a alone is no reason.
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


{% macro rule_clause(node, features, cutpoints, negated) %}
    {%- set prefix = 'not: ' if negated else '' -%}
    {%- if node.kind in ['segment', 'consent'] or node.operator == 'is_known' or not node.get('is_shown', true) -%}
        {{- return(sql_literal(prefix ~ rule_words(node))) -}}
    {%- endif -%}
    {%- set before = sql_literal(prefix ~ node.subject ~ ': ') ~ ' || ' ~ condition_text(node, features) ~ ' || ' -%}
    {%- if 'cut_column' in node -%}
        {#- No cut exists while every value is 0; a null would swallow the clause. -#}
        {%- set cut = 'coalesce(' ~ rounded_text(cutpoints ~ '.' ~ node.cut_column) ~ ", 'no limit yet')" -%}
        {{- return(before ~ sql_literal(' (' ~ node.words ~ ', ' ~ rule_operators()[node.operator].side ~ ' ') ~ ' || ' ~ cut ~ " || ')'") -}}
    {%- endif -%}
    {%- if 'than' in node -%}
        {{- return(before ~ sql_literal(' (' ~ node.words ~ ': ') ~ ' || ' ~ rounded_text(features ~ '.' ~ node.than.column) ~ " || ')'") -}}
    {%- endif -%}
    {{- return(before ~ sql_literal(' (' ~ node.words ~ ')')) -}}
{% endmacro %}


{% macro condition_text(condition, features) %}
    {%- set value = condition_value(condition, features) -%}
    {%- if condition.kind in ['attribute', 'consent', 'segment'] or (condition.kind == 'date' and condition.operator in ['after', 'before']) -%}
        {{- return('cast(' ~ value ~ ' as ' ~ dbt.type_string() ~ ')') -}}
    {%- endif -%}
    {{- return(rounded_text(value)) -}}
{% endmacro %}
