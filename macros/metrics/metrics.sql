{#-
    A row counts at an as_of that is, by_day, after its day; by_attribution, after attributed_from and not after
    attributed_until; by_fit, after its day, if it was made with the models in force (fitted_as_of).
-#}
{% macro metric_tables() %}
    {{- return({
        'orders': 'by_day',
        'lines': 'by_day',
        'events': 'by_attribution',
        'sessions': 'by_attribution',
        'touchpoints': 'by_day',
        'tickets': 'by_day',
        'topics': 'by_fit',
    }) -}}
{% endmacro %}


{#- Each aggregate, and whether it reads a column. -#}
{% macro metric_aggregates() %}
    {{- return({
        'count': false,
        'sum': true,
        'mean': true,
        'min': true,
        'max': true,
        'count_distinct': true,
        'count_days': false,
        'days_since_first': false,
        'days_since_last': false,
        'last': true,
        'share': false,
        'decayed_sum': true,
        'monthly_mean': true,
        'monthly_trend': true,
    }) -}}
{% endmacro %}


{#- Vars metrics and extra_metrics, checked. Treat the result as read-only. -#}
{% macro metrics() %}
    {%- set cache, key = cache_of_this_run(), ['metrics', var('metrics', {}), var('extra_metrics', {})] | string -%}
    {%- if key not in cache -%}
        {%- do cache.update({key: checked_metrics()}) -%}
    {%- endif -%}
    {{- return(cache[key]) -}}
{% endmacro %}


{% macro checked_metrics() %}
    {%- set aggregates, declared = metric_aggregates(), {} -%}
    {#- `absent` has no default on purpose: a forgotten 0 makes `at_most: 0` miss everyone without rows. -#}
    {%- set kind = {
        'keys': {
            'table': {'one_of': metric_tables() | list},
            'aggregate': {'one_of': aggregates | list},
            'absent': {'whole': [0, 0], 'nullable': true, 'words': '0 or null, the value of a customer without rows'},
            'unit': {'text': none},
            'description': {'text': none},
        },
        'optional': {
            'value': {'text': '[A-Za-z_][A-Za-z0-9_]*', 'words': 'the name of a column of the table'},
            'filter': {'text': none, 'words': 'an SQL condition over the columns of the table, or no such key'},
        },
    } -%}
    {%- for name in ['metrics', 'extra_metrics'] -%}
        {%- set given = var(name, {}) or {} -%}
        {%- if given is not mapping -%}
            {%- do definition_error('Var ' ~ name, '', format_value(given), 'a mapping from the name of a metric to its definition') -%}
        {%- endif -%}
        {%- do declared.update(given) -%}
    {%- endfor -%}
    {%- set checked = {} -%}
    {%- for key, entry in declared.items() -%}
        {%- set subject = "Metric '" ~ key ~ "' in var metrics" -%}
        {%- do check(subject, 'its name', key, name_kind()) -%}
        {%- do check(subject, '', entry, kind) -%}
        {%- if aggregates[entry.aggregate] and 'value' not in entry -%}
            {%- do definition_error(subject, 'value', 'nothing', 'the name of a column of ' ~ entry.table ~ ', because aggregate is ' ~ entry.aggregate) -%}
        {%- elif 'value' in entry and not aggregates[entry.aggregate] -%}
            {%- do definition_error(subject, 'value', format_value(entry.value), 'no value, because aggregate is ' ~ entry.aggregate ~ '; a value goes with ', aggregates.items() | selectattr(1) | map('first') | list) -%}
        {%- elif entry.table == 'tickets' and 'topic' in entry.get('value', '') ~ entry.get('filter', '') -%}
            {%- do definition_error(subject, 'table', "'tickets'", "topics, the table with a ticket's topics") -%}
        {%- elif entry.aggregate == 'share' and 'filter' not in entry -%}
            {%- do definition_error(subject, 'filter', 'nothing', 'an SQL condition over the columns of ' ~ entry.table ~ ', because aggregate is share') -%}
        {%- endif -%}
        {%- do checked.update({key: dict(entry, key=key, value=entry.get('value'), filter=entry.get('filter'))}) -%}
    {%- endfor -%}
    {{- return(checked) -}}
{% endmacro %}
