{% macro metric_window_column(metric, from_days_ago=none, to_days_ago=0) %}
    {%- if from_days_ago is none -%}
        {{- return(metric ~ '__all') -}}
    {%- elif to_days_ago == 0 -%}
        {{- return(metric ~ '__' ~ from_days_ago ~ 'd') -}}
    {%- endif -%}
    {{- return(metric ~ '__' ~ from_days_ago ~ 'd_to_' ~ to_days_ago ~ 'd') -}}
{% endmacro %}


{% macro metric_window_words(window) %}
    {%- set kind, size = window.get('kind'), window.get('size') -%}
    {%- if kind == 'hours' -%}
        {{- return('in the last ' ~ (size ~ ' hours' if size > 1 else 'hour')) -}}
    {%- elif kind == 'calendar' -%}
        {{- return(size ~ ' ' ~ window.unit) -}}
    {%- elif kind == 'any_days' -%}
        {{- return('in any ' ~ (size ~ ' days' if size > 1 else 'one day')) -}}
    {%- elif window.from_days_ago is none or kind in ['first', 'last'] -%}
        {{- return('') -}}
    {%- elif window.to_days_ago == 0 -%}
        {{- return('in the last ' ~ window.from_days_ago ~ (' day' if window.from_days_ago == 1 else ' days')) -}}
    {%- endif -%}
    {{- return('from ' ~ window.from_days_ago ~ ' to ' ~ window.to_days_ago ~ ' days ago') -}}
{% endmacro %}


{#- A longer window would leave the calendar of the engine. -#}
{% macro day_window(subject, path, entry) %}
    {%- set longest = 36500 -%}
    {%- set words = 'from_days_ago and to_days_ago together, both whole numbers of days from 0 to ' ~ longest -%}
    {%- set pair = {} -%}
    {%- for name in ['from_days_ago', 'to_days_ago'] if name in entry -%}
        {%- do pair.update({name: entry[name]}) -%}
    {%- endfor -%}
    {%- if 'window_days' in entry -%}
        {%- do check(subject, path ~ 'window_days', entry.window_days, {'whole': [1, longest], 'words': 'a whole number of days from 1 to ' ~ longest ~ '; without the key, all time'}) -%}
        {{- return({'from_days_ago': entry.window_days, 'to_days_ago': 0}) -}}
    {%- elif pair -%}
        {%- set days = {'whole': [0, longest], 'words': words} -%}
        {%- do check(subject, path, pair, {'keys': {'from_days_ago': days, 'to_days_ago': days}, 'words': words}) -%}
        {%- if entry.from_days_ago <= entry.to_days_ago -%}
            {%- do definition_error(subject, path ~ 'from_days_ago', entry.from_days_ago, 'more than to_days_ago, which is ' ~ entry.to_days_ago) -%}
        {%- endif -%}
        {{- return(pair) -}}
    {%- endif -%}
    {{- return({'from_days_ago': none, 'to_days_ago': 0}) -}}
{% endmacro %}


{#- Facts lie before as_of anyway. -#}
{% macro day_limits(window, day, as_of) %}
    {%- set limits = [] -%}
    {%- if window.from_days_ago is not none -%}
        {%- do limits.append(day ~ ' >= ' ~ days_before(as_of, window.from_days_ago)) -%}
    {%- endif -%}
    {%- if window.to_days_ago > 0 -%}
        {%- do limits.append(day ~ ' < ' ~ days_before(as_of, window.to_days_ago)) -%}
    {%- endif -%}
    {{- return(limits) -}}
{% endmacro %}


{#-
    kind is days, hours, calendar (unit is week, month, quarter or year), first, last or any_days; size how many, or this or
    last of a calendar unit. where is a list of conditions on columns of the table. reads lists the tables with their conditions, of
    a pattern those of all its parts.
-#}
{% macro metric_window(subject, path, entry, metric) %}
    {%- set windows = window_keys() -%}
    {%- set given = windows | select('in', entry) | reject('equalto', 'to_days_ago' if 'from_days_ago' in entry else '') | list -%}
    {%- if given | length > 1 -%}
        {%- do definition_error(subject, path ~ given[0], 'a second window beside it', 'one window, or none for all time; windows are ', windows) -%}
    {%- endif -%}
    {%- set key = given[0] if given else 'window_days' -%}
    {%- set kind, unit, table = windows[key], none, metric_tables()[metric.table] -%}
    {%- if given and table.counts == 'by_period' -%}
        {%- do definition_error(subject, path ~ key, key ~ ' beside ' ~ metric.key, 'no window, because ' ~ metric.table ~ ' has one value per as_of') -%}
    {%- endif -%}
    {%- set days, size = {'from_days_ago': none, 'to_days_ago': 0}, entry.get(key) -%}
    {%- if kind == 'days' -%}
        {%- set days = day_window(subject, path, entry) -%}
        {%- set suffix = metric_window_column('', days.from_days_ago, days.to_days_ago)[2:] -%}
    {%- elif kind == 'calendar' -%}
        {%- do check(subject, path ~ key, size, {'one_of': ['this', 'last']}) -%}
        {%- set unit, suffix = key, size ~ '_' ~ key -%}
    {%- else -%}
        {%- set greatest, things = {'hours': [876000, 'hours'], 'first': [1000, 'rows'], 'last': [1000, 'rows'], 'any_days': [3650, 'days']}[kind] -%}
        {%- do check(subject, path ~ key, size, {'whole': [1, greatest], 'words': 'a whole number of ' ~ things ~ ' from 1 to ' ~ greatest}) -%}
        {%- set suffix = {'hours': size ~ 'h', 'any_days': 'any_' ~ size ~ 'd'}.get(kind, kind ~ '_' ~ size) -%}
        {%- set needed = {'hours': 'has_hours', 'first': 'unit', 'last': 'unit'}.get(kind) -%}
        {%- if needed and not table.get(needed) -%}
            {%- do definition_error(subject, path ~ key, key ~ ' beside a metric of ' ~ metric.table, 'a metric of ', metric_tables().items() | selectattr('1.' ~ needed, 'defined') | map('first') | list) -%}
        {%- elif kind == 'any_days' and (metric.aggregate not in ['count', 'count_days', 'sum'] or table.counts == 'by_fit') -%}
            {%- do definition_error(subject, path ~ key, 'any_days beside a metric whose aggregate is ' ~ metric.aggregate, 'a metric that counts rows or days, or sums') -%}
        {%- endif -%}
    {%- endif -%}
    {%- set where = row_conditions(subject, path ~ 'where', entry.where) if 'where' in entry else [] -%}
    {%- set column = metric.key ~ '__' ~ suffix -%}
    {%- if where -%}
        {#- Values may be long or have any letters, so a column is named after their hash. -#}
        {%- set column = column ~ '__' ~ local_md5(where | map(attribute='test') | join(' and '))[:8] -%}
    {%- endif -%}
    {{- return(dict(
        days,
        metric=metric.key,
        table='patterns' if kind == 'any_days' else metric.table,
        absent=metric.absent,
        kind=kind,
        size=size,
        unit=unit,
        where=where,
        reads=[[metric.table, where]],
        type='bigint' if metric.aggregate.startswith('count') else 'decimal(18, 2)' if metric.unit == 'currency' else 'decimal(38, 6)',
        column=column
    )) -}}
{% endmacro %}


{% macro window_keys() %}
    {{- return({
        'window_days': 'days',
        'from_days_ago': 'days',
        'to_days_ago': 'days',
        'window_hours': 'hours',
        'week': 'calendar',
        'month': 'calendar',
        'quarter': 'calendar',
        'year': 'calendar',
        'first': 'first',
        'last': 'last',
        'any_days': 'any_days',
    }) -}}
{% endmacro %}


{#- Each has column, test (SQL) and words. Compared as text, or where numbers are given as numbers, whatever the type. -#}
{% macro row_conditions(subject, path, where) %}
    {%- do check(subject, path, where, {'values': none, 'words': 'a mapping from columns of the table to values, such as {category: Wine}'}) -%}
    {%- set conditions, operators = [], rule_operators() -%}
    {%- for column, value in where.items() -%}
        {%- do check(subject, path, column, name_kind()) -%}
        {%- set place, name = path ~ '.' ~ column, column | replace('_', ' ') -%}
        {%- set operator = value | first if value is mapping and value | length == 1 -%}
        {%- if value is mapping and operator not in ['at_least', 'at_most', 'more_than', 'less_than', 'between', 'not_in'] -%}
            {%- do definition_error(subject, place, format_value(value), 'a value, a list of values, or one of the operators ', ['at_least', 'at_most', 'more_than', 'less_than', 'between', 'not_in']) -%}
        {%- elif value is boolean -%}
            {%- set name = (column[3:] if column.startswith('is_') else column) | replace('_', ' ') -%}
            {%- do conditions.append({'column': column, 'test': column ~ ' = ' ~ value | lower, 'words': name if value else 'not ' ~ name}) -%}
        {%- elif operator and operator != 'not_in' -%}
            {%- set limit = rule_limit(subject, place ~ '.' ~ operator, operator, value[operator]) -%}
            {%- set limits = limit | join(' and ') if operator == 'between' else limit -%}
            {%- do conditions.append({
                'column': column,
                'test': to_number('cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ ')') ~ ' ' ~ (operators[operator].sql or operator) ~ ' ' ~ limits,
                'words': name ~ ' ' ~ operators[operator].words ~ ' ' ~ limits,
            }) -%}
        {%- else -%}
            {%- set values = value.not_in if operator else value if value is iterable and value is not string else [value] -%}
            {%- set numbers, texts = [], [] -%}
            {%- for one in (values if values is iterable and values is not string and values is not mapping else []) -%}
                {%- if one is string -%}
                    {%- do texts.append(sql_literal(one)) -%}
                {%- elif one is number and one is not boolean and -1e15 < one < 1e15 -%}
                    {%- do numbers.append(one) -%}
                {%- endif -%}
            {%- endfor -%}
            {%- if not values or values is mapping or [texts, numbers] | map('length') | sort != [0, values | length] -%}
                {%- do definition_error(subject, place, format_value(value), 'a text, a number, true or false; a list of texts or one of numbers; or one operator, such as {at_least: 3}') -%}
            {%- endif -%}
            {%- set text = 'cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ ')' -%}
            {%- do conditions.append({
                'column': column,
                'test': (text if texts else to_number(text)) ~ (' not in (' if operator else ' in (') ~ (texts or numbers) | join(', ') ~ ')',
                'words': name ~ (' none of ' if operator else ' ') ~ values | join(', ' if operator else ' or '),
            }) -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(conditions) -}}
{% endmacro %}


{% macro window_of_column(column, metrics) %}
    {%- set parts = modules.re.fullmatch('(.+)__(?:all|([0-9]{1,5})d(?:_to_([0-9]{1,5})d)?)', column | string) -%}
    {%- set from, to = (parts.group(2), (parts.group(3) or 0) | int) if parts else (none, 0) -%}
    {%- set from = from | int if from else none -%}
    {%- set is_window = parts and parts.group(1) in metrics and (from is none or (to < from <= 36500 and metric_tables()[metrics[parts.group(1)].table].counts != 'by_period')) -%}
    {%- if not is_window or metric_window_column(parts.group(1), from, to) != column -%}
        {{- return(none) -}}
    {%- endif -%}
    {{- return(metric_window('', '', {'from_days_ago': from, 'to_days_ago': to} if from else {}, metrics[parts.group(1)])) -}}
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
        {%- set window = metric_window(subject, '[' ~ loop.index0 ~ '].', entry, declared[entry.metric]) -%}
        {%- do windows.update({window.column: window}) -%}
    {%- endfor -%}
    {%- for segment in rule_segments() + schemes().values() | list + predictions().values() | list -%}
        {%- for window in segment.conditions | map(attribute='windows', default=[]) | sum(start=[]) -%}
            {%- do windows.update({window.column: window}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set columns = core_columns() -%}
    {#- Anything but a list of mappings is refused by cluster_features(). -#}
    {%- for features in [var('cluster_features', []), var('journey_features', []), var('prediction_features', [])] if features is sequence and features is not string -%}
        {%- do columns.extend(features | select('mapping') | map(attribute='column', default=none)) -%}
    {%- endfor -%}
    {%- for column in columns -%}
        {%- set window = window_of_column(column, declared) -%}
        {%- if window -%}
            {%- do windows.update({column: window}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for window in windows.values() if declared.get(window.metric, {}).get('aggregate', '').startswith('monthly_') -%}
        {%- set least = 60 if declared[window.metric].aggregate == 'monthly_trend' else 1 -%}
        {%- if (window.from_days_ago or 0) - window.to_days_ago < least -%}
            {%- do definition_error("Metric '" ~ window.metric ~ "' in var metrics", 'aggregate', declared[window.metric].aggregate ~ ' over ' ~ (metric_window_words(window) or 'all time'), 'a window of at least ' ~ least ~ ' days') -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(windows.values() | sort(attribute='column')) -}}
{% endmacro %}
