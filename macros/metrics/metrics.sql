{% macro metric_tables() %}
    {{- return({
        'orders': {'counts': 'by_day', 'unit': 'order_key', 'instant': 'placed_at', 'has_hours': true},
        'lines': {'counts': 'by_day', 'unit': 'order_key', 'instant': 'placed_at'},
        'events': {'counts': 'by_attribution', 'instant': 'occurred_at', 'place': 'position', 'has_hours': true},
        'sessions': {'counts': 'by_attribution', 'has_hours': true},
        'touchpoints': {'counts': 'by_attribution', 'unit': 'touchpoint_key'},
        'tickets': {'counts': 'by_day', 'unit': 'ticket_key'},
        'topics': {'counts': 'by_fit'},
        'lifetime_values': {'counts': 'by_period'},
    }) -}}
{% endmacro %}


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


{% macro metrics() %}
    {%- set cache, key = cache_of_this_run(), ['metrics', var('metrics', {}), var('extra_metrics', {})] | string -%}
    {%- if key in cache -%}
        {{- return(cache[key]) -}}
    {%- endif -%}
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
    {%- do cache.update({key: checked}) -%}
    {{- return(checked) -}}
{% endmacro %}


{% macro tables_of_models() %}
    {{- return(metric_tables().items() | selectattr('1.counts', 'in', ['by_fit', 'by_period']) | map('first') | list) -}}
{% endmacro %}


{#- Topics and lifetime values are of dates of int_periods. -#}
{% macro metric_model(table) %}
    {{- return({'by_fit': 'int_features__', 'by_period': 'int_value__'}.get(metric_tables()[table].counts, 'int_facts__') ~ table) -}}
{% endmacro %}


{% macro check_row_conditions(segment, columns_of) %}
    {%- for window in segment.conditions | map(attribute='windows', default=[]) | sum(start=[]) -%}
        {%- for table, conditions in window.reads if table in columns_of -%}
            {%- for condition in conditions if condition.column not in columns_of[table] -%}
                {%- do definition_error(segment.subject, 'where', "'" ~ condition.column ~ "', which is no column of " ~ table, 'the columns of ' ~ table ~ ': ', columns_of[table], condition.column) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
{% endmacro %}


{#- At the first build there are no tables yet, so the columns are those that the models' properties describe. -#}
{% macro check_metric_columns() %}
    {%- set columns_of, places, expressions = {}, [], [] -%}
    {%- for table in metric_tables() -%}
        {%- set node = graph.nodes.get('model.customer_segmentation.' ~ metric_model(table)) -%}
        {%- do columns_of.update({table: (node.columns | map('lower') | list + (topic_columns() + component_columns() if table == 'topics' else [])) | sort}) if node -%}
    {%- endfor -%}
    {%- for metric in metrics().values() if metric.table in columns_of -%}
        {%- for part in ['value', 'filter'] if metric[part] -%}
            {%- do places.append((metric, part, columns_of[metric.table])) -%}
            {%- do expressions.append(metric[part]) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for segment in rule_segments() + schemes().values() | map(attribute='segments') | sum(start=[]) + predictions().values() | list -%}
        {%- do check_row_conditions(segment, columns_of) -%}
    {%- endfor -%}
    {%- for parsed in (parsed_expressions(expressions) if expressions else []) -%}
        {%- set metric, part, columns = places[loop.index0] -%}
        {%- set subject, all_columns = "Metric '" ~ metric.key ~ "' in var metrics", 'the columns of ' ~ metric.table ~ ': ' -%}
        {%- if parsed.error -%}
            {%- do definition_error(subject, part, format_value(metric[part]) ~ ', ' ~ parsed.error.replace('syntax error', 'not valid SQL'), 'an SQL condition over ' ~ all_columns, columns) -%}
        {%- endif -%}
        {#- A name may have that of the table before it. -#}
        {%- for names in parsed.columns if names | map('lower') | select('in', columns) | list | length == 0 -%}
            {%- do definition_error(subject, part, "'" ~ names | last ~ "', which is no column of " ~ metric.table ~ ", in '" ~ metric[part] ~ "'", all_columns, columns, names | last) -%}
        {%- endfor -%}
    {%- endfor -%}
{% endmacro %}


{% macro parsed_expressions(expressions) %}
    {{- return(adapter.dispatch('parsed_expressions', 'customer_segmentation')(expressions)) -}}
{% endmacro %}

{#- An engine that can't parse without running finds a wrong name in the build. -#}
{% macro default__parsed_expressions(expressions) %}
    {{- return([]) -}}
{% endmacro %}

{#- Lambdas and subqueries have names of their own; there the build finds what is wrong. -#}
{% macro duckdb__parsed_expressions(expressions) %}
    {%- set rows, parsed = [], [] -%}
    {%- for expression in expressions -%}
        {%- do rows.append('(' ~ loop.index ~ ', ' ~ sql_literal(expression) ~ ')') -%}
    {%- endfor -%}
    {%- set query -%}
        select
            json_extract_string(tree, '$.error_message') as error,
            case
                when regexp_matches(tree, '"class":"(LAMBDA|SUBQUERY)"') then '[]'
                else cast(to_json(list_distinct(regexp_extract_all(tree, '"column_names":([[][^]]*[]])', 1))) as varchar)
            end as columns
        from (
            select number, cast(json_serialize_sql('select ' || expression) as varchar) as tree
            from (values {{ rows | join(', ') }}) as expressions (number, expression)
        )
        order by number
    {%- endset -%}
    {%- for row in run_query(query).rows -%}
        {%- set columns = [] -%}
        {%- for names in fromjson(row['columns']) -%}
            {%- do columns.append(fromjson(names)) -%}
        {%- endfor -%}
        {%- do parsed.append({'error': row['error'], 'columns': columns | sort}) -%}
    {%- endfor -%}
    {{- return(parsed) -}}
{% endmacro %}
