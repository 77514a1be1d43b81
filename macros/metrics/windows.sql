{% macro metric_window_column(metric, from_days_ago=none, to_days_ago=0) %}
    {%- if from_days_ago is none -%}
        {{- return(metric ~ '__all') -}}
    {%- elif to_days_ago == 0 -%}
        {{- return(metric ~ '__' ~ from_days_ago ~ 'd') -}}
    {%- endif -%}
    {{- return(metric ~ '__' ~ from_days_ago ~ 'd_to_' ~ to_days_ago ~ 'd') -}}
{% endmacro %}


{#- 'in the last 30 days', 'from 365 to 90 days ago', or no words for all time. -#}
{% macro metric_window_words(window) %}
    {%- if window.from_days_ago is none -%}
        {{- return('') -}}
    {%- elif window.to_days_ago == 0 -%}
        {{- return('in the last ' ~ window.from_days_ago ~ (' day' if window.from_days_ago == 1 else ' days')) -}}
    {%- endif -%}
    {{- return('from ' ~ window.from_days_ago ~ ' to ' ~ window.to_days_ago ~ ' days ago') -}}
{% endmacro %}


{#- The window that the keys of one YAML entry describe, checked; `entry.metric` is known to exist. -#}
{% macro metric_window(subject, path, entry) %}
    {#- A longer window would leave the calendar of the engine; it is more than a life. -#}
    {%- set longest = 36500 -%}
    {%- set pair = 'from_days_ago' in entry or 'to_days_ago' in entry -%}
    {%- set window = {'metric': entry.metric, 'from_days_ago': none, 'to_days_ago': 0} -%}
    {%- if 'window_days' in entry -%}
        {%- if pair -%}
            {%- do definition_error(subject, path ~ 'window_days', 'a second window beside it', 'window_days, or from_days_ago with to_days_ago, or neither for all time') -%}
        {%- endif -%}
        {%- if entry.window_days is not integer or entry.window_days < 1 or entry.window_days > longest -%}
            {%- do definition_error(subject, path ~ 'window_days', format_value(entry.window_days), 'a whole number of days from 1 to ' ~ longest ~ '; without the key, all time') -%}
        {%- endif -%}
        {%- do window.update({'from_days_ago': entry.window_days}) -%}
    {%- elif pair -%}
        {%- for name in ['from_days_ago', 'to_days_ago'] -%}
            {%- if name not in entry or entry[name] is not integer or entry[name] < 0 or entry[name] > longest -%}
                {%- do definition_error(subject, path ~ name, format_value(entry[name]) if name in entry else 'nothing', 'from_days_ago and to_days_ago together, both whole numbers of days from 0 to ' ~ longest) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if entry.from_days_ago <= entry.to_days_ago -%}
            {%- do definition_error(subject, path ~ 'from_days_ago', format_value(entry.from_days_ago), 'more than to_days_ago, which is ' ~ entry.to_days_ago) -%}
        {%- endif -%}
        {%- do window.update({'from_days_ago': entry.from_days_ago, 'to_days_ago': entry.to_days_ago}) -%}
    {%- endif -%}
    {%- do window.update({'column': metric_window_column(entry.metric, window.from_days_ago, window.to_days_ago)}) -%}
    {{- return(window) -}}
{% endmacro %}


{#- The window that a column of the wide table of features is named after, such as orders__90d, or none. -#}
{% macro window_of_column(column, metrics) %}
    {%- set parts = modules.re.fullmatch('(.+)__(?:all|([0-9]{1,5})d(?:_to_([0-9]{1,5})d)?)', column | string) -%}
    {%- set from, to = (parts.group(2), (parts.group(3) or 0) | int) if parts else (none, 0) -%}
    {%- set from = from | int if from else none -%}
    {%- set is_window = parts and parts.group(1) in metrics and (from is none or to < from <= 36500) -%}
    {%- if not is_window or metric_window_column(parts.group(1), from, to) != column -%}
        {{- return(none) -}}
    {%- endif -%}
    {{- return({'metric': parts.group(1), 'from_days_ago': from, 'to_days_ago': to, 'column': column}) -}}
{% endmacro %}


{#- Every (metric, window) pair that anything asks for, once. -#}
{% macro metric_windows() %}
    {%- set windows = {} -%}
    {%- set declared = metrics() -%}
    {%- set subject, entries = 'Var feature_windows', var('feature_windows', []) or [] -%}
    {%- do check(subject, '', entries, {
        'may_be_empty': true,
        'words': 'a list such as [{metric: orders, window_days: 30}]',
        'items': {
            'keys': {'metric': {'one_of': declared | list, 'words': 'the metrics '}},
            'optional': {'window_days': none, 'from_days_ago': none, 'to_days_ago': none},
        },
    }) -%}
    {%- for entry in entries -%}
        {%- set window = metric_window(subject, '[' ~ loop.index0 ~ '].', entry) -%}
        {%- do windows.update({window.column: window}) -%}
    {%- endfor -%}
    {%- for segment in rule_segments() + schemes().values() | list -%}
        {%- for condition in segment.conditions if condition.kind == 'metric' -%}
            {%- do windows.update({condition.column: {
                'metric': condition.metric,
                'from_days_ago': condition.from_days_ago,
                'to_days_ago': condition.to_days_ago,
                'column': condition.column,
            }}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set columns = core_columns() -%}
    {#- What is no list of mappings stops where cluster_features() checks it. -#}
    {%- for features in [var('cluster_features', []), var('journey_features', [])] if features is sequence and features is not string -%}
        {%- do columns.extend(features | select('mapping') | map(attribute='column', default=none)) -%}
    {%- endfor -%}
    {%- for column in columns -%}
        {%- set window = window_of_column(column, declared) -%}
        {%- if window -%}
            {%- do windows.update({column: window}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for window in windows.values() if declared[window.metric].aggregate.startswith('monthly_') -%}
        {%- set least = 60 if declared[window.metric].aggregate == 'monthly_trend' else 1 -%}
        {%- if (window.from_days_ago or 0) - window.to_days_ago < least -%}
            {%- do definition_error("Metric '" ~ window.metric ~ "' in var metrics", 'aggregate', declared[window.metric].aggregate ~ ' over ' ~ (metric_window_words(window) or 'all time'), 'a window of at least ' ~ least ~ ' days') -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(windows.values() | sort(attribute='metric,column')) -}}
{% endmacro %}
