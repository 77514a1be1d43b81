{% macro metric_window_column(metric, from_days_ago=none, to_days_ago=0) %}
    {%- if from_days_ago is none -%}
        {{- return(metric ~ '__all') -}}
    {%- elif to_days_ago == 0 -%}
        {{- return(metric ~ '__' ~ from_days_ago ~ 'd') -}}
    {%- endif -%}
    {{- return(metric ~ '__' ~ from_days_ago ~ 'd_to_' ~ to_days_ago ~ 'd') -}}
{% endmacro %}


{% macro metric_window_words(window) %}
    {%- if window.from_days_ago is none -%}
        {{- return('') -}}
    {%- elif window.to_days_ago == 0 -%}
        {{- return('in the last ' ~ window.from_days_ago ~ (' day' if window.from_days_ago == 1 else ' days')) -}}
    {%- endif -%}
    {{- return('from ' ~ window.from_days_ago ~ ' to ' ~ window.to_days_ago ~ ' days ago') -}}
{% endmacro %}


{% macro metric_window(subject, path, entry) %}
    {#- A longer window would leave the calendar of the engine. -#}
    {%- set longest, from, to = 36500, none, 0 -%}
    {%- set words = 'from_days_ago and to_days_ago together, both whole numbers of days from 0 to ' ~ longest -%}
    {%- set pair = {} -%}
    {%- for name in ['from_days_ago', 'to_days_ago'] if name in entry -%}
        {%- do pair.update({name: entry[name]}) -%}
    {%- endfor -%}
    {%- if 'window_days' in entry and pair -%}
        {%- do definition_error(subject, path ~ 'window_days', 'a second window beside it', 'window_days, or from_days_ago with to_days_ago, or neither for all time') -%}
    {%- elif 'window_days' in entry -%}
        {%- do check(subject, path ~ 'window_days', entry.window_days, {'whole': [1, longest], 'words': 'a whole number of days from 1 to ' ~ longest ~ '; without the key, all time'}) -%}
        {%- set from = entry.window_days -%}
    {%- elif pair -%}
        {%- set days = {'whole': [0, longest], 'words': words} -%}
        {%- do check(subject, path, pair, {'keys': {'from_days_ago': days, 'to_days_ago': days}, 'words': words}) -%}
        {%- set from, to = entry.from_days_ago, entry.to_days_ago -%}
        {%- if from <= to -%}
            {%- do definition_error(subject, path ~ 'from_days_ago', from, 'more than to_days_ago, which is ' ~ to) -%}
        {%- endif -%}
    {%- endif -%}
    {{- return({'metric': entry.metric, 'from_days_ago': from, 'to_days_ago': to, 'column': metric_window_column(entry.metric, from, to)}) -}}
{% endmacro %}


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
    {#- Anything but a list of mappings is refused by cluster_features(). -#}
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
