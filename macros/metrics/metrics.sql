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
        'tickets': 'by_fit',
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
        'share': false,
        'decayed_sum': true,
        'monthly_mean': true,
        'monthly_trend': true,
    }) -}}
{% endmacro %}


{#- Keep the result: each call checks the whole list again. -#}
{% macro metrics() %}
    {%- set declared = var('metrics', {}) or {} -%}
    {%- if declared is not mapping -%}
        {%- do definition_error('Var metrics', '', format_value(declared), 'a mapping from the name of a metric to its definition') -%}
    {%- endif -%}
    {%- set extra = var('extra_metrics', {}) or {} -%}
    {%- if extra is not mapping -%}
        {%- do definition_error('Var extra_metrics', '', format_value(extra), 'a mapping from the name of a metric to its definition') -%}
    {%- endif -%}
    {%- set declared = dict(declared, **extra) -%}
    {%- set tables = metric_tables() -%}
    {%- set aggregates = metric_aggregates() -%}
    {%- set required = ['table', 'aggregate', 'absent', 'unit', 'description'] -%}
    {%- set optional = ['value', 'filter'] -%}
    {%- set checked = {} -%}
    {%- for key, entry in declared.items() -%}
        {%- set subject = "Metric '" ~ key ~ "' in var metrics" -%}
        {%- if key is not string or not modules.re.fullmatch('[a-z][a-z0-9_]*', key) -%}
            {%- do definition_error(subject, 'its name', format_value(key), 'lower-case letters, digits and _, starting with a letter') -%}
        {%- endif -%}
        {%- if entry is not mapping -%}
            {%- do definition_error(subject, '', format_value(entry), 'a mapping with the keys ', required + optional) -%}
        {%- endif -%}
        {%- for name in entry if name not in required + optional -%}
            {%- do definition_error(subject, name, 'an unknown key', 'the keys ', required + optional, name) -%}
        {%- endfor -%}
        {#- `absent` has no default on purpose: a forgotten 0 makes `at_most: 0` miss everyone without rows. -#}
        {%- for name in required if name not in entry -%}
            {%- do definition_error(subject, name, 'nothing', 'a metric has the keys ' ~ required | join(', ') ~ '; value and filter where they apply') -%}
        {%- endfor -%}
        {%- if entry.table not in tables -%}
            {%- do definition_error(subject, 'table', format_value(entry.table), '', tables | list, entry.table) -%}
        {%- endif -%}
        {%- if entry.aggregate is not string or entry.aggregate not in aggregates -%}
            {%- do definition_error(subject, 'aggregate', format_value(entry.aggregate), '', aggregates | list, entry.aggregate) -%}
        {%- endif -%}
        {%- if aggregates[entry.aggregate] -%}
            {%- if entry.value is not string or not modules.re.fullmatch('[A-Za-z_][A-Za-z0-9_]*', entry.value) -%}
                {%- do definition_error(subject, 'value', format_value(entry.value) if 'value' in entry else 'nothing', 'the name of a column of ' ~ entry.table ~ ', because aggregate is ' ~ entry.aggregate) -%}
            {%- endif -%}
        {%- elif 'value' in entry -%}
            {%- do definition_error(subject, 'value', format_value(entry.value), 'no value, because aggregate is ' ~ entry.aggregate ~ '; a value goes with ', aggregates.items() | selectattr(1) | map('first') | list) -%}
        {%- endif -%}
        {%- if 'filter' in entry and (entry.filter is not string or not entry.filter | trim) -%}
            {%- do definition_error(subject, 'filter', format_value(entry.filter), 'an SQL condition over the columns of ' ~ entry.table ~ ', or no such key') -%}
        {%- endif -%}
        {%- if entry.aggregate == 'share' and 'filter' not in entry -%}
            {%- do definition_error(subject, 'filter', 'nothing', 'an SQL condition over the columns of ' ~ entry.table ~ ', because aggregate is share') -%}
        {%- endif -%}
        {%- if entry.absent is not none and (entry.absent is not integer or entry.absent != 0) -%}
            {%- do definition_error(subject, 'absent', format_value(entry.absent), '0 or null, the value of a customer without rows') -%}
        {%- endif -%}
        {%- for name in ['unit', 'description'] if entry[name] is not string or not entry[name] | trim -%}
            {%- do definition_error(subject, name, format_value(entry[name]), 'some words') -%}
        {%- endfor -%}
        {%- do checked.update({key: {
            'key': key,
            'table': entry.table,
            'aggregate': entry.aggregate,
            'value': entry.value if 'value' in entry else none,
            'filter': entry.filter if 'filter' in entry else none,
            'absent': entry.absent,
            'unit': entry.unit,
            'description': entry.description,
        }}) -%}
    {%- endfor -%}
    {{- return(checked) -}}
{% endmacro %}
