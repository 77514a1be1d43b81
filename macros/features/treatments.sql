{#-
    Var feature_treatments, checked: a list of mappings with
    column, is_text, missing: the feature, whether it is text, and its policy for missing values;
    outlier_rule, outlier_limit, outlier_quantiles: what applies, else none;
    needs_orders: whether the feature is made of orders, so that a customer without any lacks it for a reason.
-#}
{% macro feature_treatments() %}
    {%- set subject, declared = 'Var feature_treatments', var('feature_treatments') -%}
    {%- if declared is not mapping or not declared -%}
        {%- do definition_error(subject, '', format_value(declared), 'a mapping from features to what is done with them, such as {orders__all: {missing: none, outliers: {iqr: 3}}}') -%}
    {%- endif -%}
    {%- set metric_tables = {} -%}
    {%- for column in derived_columns() -%}
        {%- do metric_tables.update({column: 'sessions' if column == 'engagement_score' else 'orders'}) -%}
    {%- endfor -%}
    {%- set declared_metrics = metrics() -%}
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
        {%- set policies = ['none', 'unknown', 'mode'] if is_text else ['none', 'mode', 'median', 'knn'] -%}
        {%- set missing = entry.get('missing', 'none') -%}
        {%- if missing not in policies -%}
            {%- do definition_error(subject, column ~ '.missing', format_value(missing), 'for ' ~ ('text ' if is_text else 'numbers '), policies, missing) -%}
        {%- endif -%}
        {%- if is_text and 'outliers' in entry -%}
            {%- do definition_error(subject, column ~ '.outliers', format_value(entry.outliers), 'no such key, because the feature is text') -%}
        {%- endif -%}
        {%- set outliers = outlier_rule(subject, column ~ '.outliers', entry.outliers) if 'outliers' in entry else {} -%}
        {%- do treatments.append({
            'column': column,
            'is_text': is_text,
            'missing': missing,
            'outlier_rule': outliers.get('rule'),
            'outlier_limit': outliers.get('limit'),
            'outlier_quantiles': outliers.get('quantiles'),
            'needs_orders': metric_tables.get(column) in ['orders', 'lines'],
        }) -%}
    {%- endfor -%}
    {{- return(treatments) -}}
{% endmacro %}


{#- One entry of `outliers`, checked: {iqr: factor}, {zscore: limit} or {percentile: [lower, upper]}. -#}
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
        {{- return({'rule': rule, 'limit': none, 'quantiles': value}) -}}
    {%- endif -%}
    {#- The upper limit keeps infinity and what is no number out of the SQL. -#}
    {%- if value is not number or value is boolean or not 0 < value <= 1000000 -%}
        {%- do definition_error(subject, path ~ '.' ~ rule, format_value(value), allowed) -%}
    {%- endif -%}
    {{- return({'rule': rule, 'limit': value, 'quantiles': [0.25, 0.75] if rule == 'iqr' else none}) -}}
{% endmacro %}


{#-
    Squared distance of two rows over the columns that both know, per such column: the order of scikit-learn's
    nan_euclidean_distances (Dixon 1979). Null where they share none. Each column is divided by its scale, a column
    `<column>_scale` of the left row.
-#}
{% macro distance_over_known(columns, left, right) -%}
(
    {%- for column in columns %}
    coalesce(power((cast({{ left }}.{{ column }} as double) - {{ right }}.{{ column }}) / {{ left }}.{{ column }}_scale, 2), 0)
    {{- ' +' if not loop.last }}
    {%- endfor %}
) / nullif(
    {%- for column in columns %}
    case when {{ left }}.{{ column }} is null or {{ right }}.{{ column }} is null then 0 else 1 end
    {{- ' +' if not loop.last }}
    {%- endfor %}, 0
)
{%- endmacro %}
