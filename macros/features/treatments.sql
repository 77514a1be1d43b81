{#-
    Var feature_treatments, checked, as a list of column, is_text, missing, outliers (see outlier_rule) and needs_orders:
    whether the feature is made of orders, so that a prospect lacks it for a reason.
-#}
{% macro feature_treatments() %}
    {%- set subject, declared = 'Var feature_treatments', var('feature_treatments') -%}
    {%- if declared is not mapping or not declared -%}
        {%- do definition_error(subject, '', format_value(declared), 'a mapping from features to what is done with them, such as {orders__all: {missing: none, outliers: {iqr: 3}}}') -%}
    {%- endif -%}
    {%- set metric_tables, declared_metrics = {}, metrics() -%}
    {%- for column in derived_columns() -%}
        {%- do metric_tables.update({column: 'sessions' if column == 'engagement_score' else 'orders'}) -%}
    {%- endfor -%}
    {%- for window in metric_windows() -%}
        {%- do metric_tables.update({window.column: declared_metrics[window.metric].table}) -%}
    {%- endfor -%}
    {%- set keys = ['missing', 'outliers'] -%}
    {%- set treatments = [] -%}
    {%- for column, entry in declared.items() -%}
        {%- if column not in metric_tables and column not in rule_attributes() -%}
            {%- do definition_error(subject, column, 'no such feature', 'a column of var feature_windows or an attribute: ', rule_attributes() + metric_tables | sort, column) -%}
        {%- endif -%}
        {%- if entry is not mapping or entry | reject('in', keys) | list -%}
            {%- do definition_error(subject, column, format_value(entry), 'a mapping with the keys ', keys) -%}
        {%- endif -%}
        {%- set is_text = column not in metric_tables -%}
        {%- set policies = ['none', 'unknown', 'mode'] if is_text else ['none', 'mode', 'median'] -%}
        {%- set missing = entry.get('missing', 'none') -%}
        {%- if missing not in policies -%}
            {%- do definition_error(subject, column ~ '.missing', format_value(missing), 'for ' ~ ('text ' if is_text else 'numbers '), policies, missing) -%}
        {%- endif -%}
        {%- if is_text and 'outliers' in entry -%}
            {%- do definition_error(subject, column ~ '.outliers', format_value(entry.outliers), 'no such key, because the feature is text') -%}
        {%- endif -%}
        {%- do treatments.append({
            'column': column,
            'is_text': is_text,
            'missing': missing,
            'outliers': outlier_rule(subject, column ~ '.outliers', entry.outliers) if 'outliers' in entry else {},
            'needs_orders': metric_tables.get(column) in ['orders', 'lines'],
        }) -%}
    {%- endfor -%}
    {{- return(treatments) -}}
{% endmacro %}


{#-
    One entry of `outliers`, checked: {iqr: factor}, {zscore: limit} or {percentile: [lower, upper]}, as rule, reach and, but
    for zscore, the two quantiles that the bounds lie so many interquartile ranges beyond: percentile has a reach of 0.
-#}
{% macro outlier_rule(subject, path, entry) %}
    {%- set allowed = '{iqr: factor above 0}, {zscore: limit above 0} or {percentile: [lower, upper]} with shares from 0 to 1' -%}
    {%- set rule = entry | first if entry is mapping and entry | length == 1 else none -%}
    {%- if rule not in ['iqr', 'zscore', 'percentile'] -%}
        {%- do definition_error(subject, path, format_value(entry), allowed) -%}
    {%- endif -%}
    {%- set value = entry[rule] -%}
    {%- if rule == 'percentile' -%}
        {%- set is_pair = value is iterable and value is not string and value is not mapping and value | length == 2 -%}
        {%- if not is_pair or value | reject('number') | list or value | select('boolean') | list or not 0 <= value[0] < value[1] <= 1 -%}
            {%- do definition_error(subject, path ~ '.' ~ rule, format_value(value), allowed) -%}
        {%- endif -%}
        {{- return({'rule': rule, 'reach': 0, 'quantiles': value}) -}}
    {%- endif -%}
    {#- The upper limit keeps infinity and NaN out of the SQL. -#}
    {%- if value is not number or value is boolean or not 0 < value <= 1000000 -%}
        {%- do definition_error(subject, path ~ '.' ~ rule, format_value(value), allowed) -%}
    {%- endif -%}
    {{- return({'rule': rule, 'reach': value, 'quantiles': [0.25, 0.75] if rule == 'iqr' else none}) -}}
{% endmacro %}


{#-
    A query of one row per as_of, customer and feature of var feature_treatments, known or missing, from a CTE `features` with
    the columns of the wide table. What is made of orders has rows of buyers alone: a prospect's 0 orders are neither a gap
    nor an outlier.
-#}
{% macro feature_values() -%}
{%- for feature in feature_treatments() -%}
select
    as_of,
    customer_key,
    is_buyer,
    '{{ feature.column }}' as feature,
    cast({{ 'null' if feature.is_text else feature.column }} as double) as number,
    cast({{ feature.column if feature.is_text else 'null' }} as {{ dbt.type_string() }}) as text_value
from features
{%- if feature.needs_orders %}
where is_buyer
{%- endif %}
{{ 'union all' if not loop.last }}
{% endfor -%}
{%- endmacro %}
