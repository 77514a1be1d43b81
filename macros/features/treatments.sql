{% macro feature_treatments() %}
    {%- set subject, declared, metric_tables, treatments = 'Var feature_treatments', var('feature_treatments'), {}, [] -%}
    {%- for column in derived_columns() -%}
        {%- do metric_tables.update({column: 'sessions' if column == 'engagement_score' else 'orders'}) -%}
    {%- endfor -%}
    {%- for window in metric_windows() -%}
        {%- do metric_tables.update({window.column: metrics()[window.metric].table if window.metric else window.table}) -%}
    {%- endfor -%}
    {%- do check(subject, '', declared, {'values': none, 'words': 'a mapping from features to what is done with them, such as {orders__all: {missing: none, outliers: {iqr: 3}}}'}) -%}
    {%- for column, entry in declared.items() -%}
        {%- set is_text = column not in metric_tables -%}
        {%- if is_text and column not in rule_attributes() -%}
            {%- do definition_error(subject, column, 'no such feature', 'a column of var feature_windows or an attribute: ', rule_attributes() + metric_tables | sort, column) -%}
        {%- endif -%}
        {%- set policies = ['none', 'unknown', 'mode'] if is_text else ['none', 'mode', 'median'] -%}
        {%- set kind = {'missing': {'one_of': policies, 'words': 'for ' ~ ('text ' if is_text else 'numbers ')}} -%}
        {%- do check(subject, column, entry, {'keys': {}, 'optional': kind if is_text else dict(kind, outliers=none)}) -%}
        {%- do treatments.append({
            'column': column,
            'is_text': is_text,
            'missing': entry.get('missing', 'none'),
            'outliers': outlier_rule(subject, column ~ '.outliers', entry.outliers) if 'outliers' in entry else {},
            'needs_orders': metric_tables.get(column) in ['orders', 'lines'],
        }) -%}
    {%- endfor -%}
    {{- return(treatments) -}}
{% endmacro %}


{% macro outlier_rule(subject, path, entry) %}
    {%- set words = '{iqr: factor above 0}, {zscore: limit above 0} or {percentile: [lower, upper]} with shares from 0 to 1' -%}
    {#- The upper limit keeps infinity and NaN out of the SQL. -#}
    {%- set reach = {'number': [0.000001, 1000000], 'words': words} -%}
    {%- do check(subject, path, entry, {'words': words, 'keys': {}, 'optional': {
        'iqr': reach, 'zscore': reach, 'percentile': {'items': {'number': [0, 1], 'words': words}, 'length': 2, 'words': words},
    }}) -%}
    {%- set rule, value = entry.items() | first | default(('', none)) -%}
    {%- if entry | length != 1 or (rule == 'percentile' and value[0] >= value[1]) -%}
        {%- do definition_error(subject, path, format_value(value if entry | length == 1 else entry), words) -%}
    {%- endif -%}
    {{- return({
        'rule': rule,
        'reach': 0 if rule == 'percentile' else value,
        'quantiles': {'iqr': [0.25, 0.75], 'percentile': value}.get(rule),
    }) -}}
{% endmacro %}


{#- Features of orders have rows for buyers only: a prospect's 0 orders are neither missing nor an outlier. -#}
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
