{#-
    Recursive descent. `at` is the current place: subject and path for messages, under_not, depth, the keys allowed beside
    the rule, and three lists of the whole segment: its conditions, its references and the depths of its groups.

    A condition on a column has column, subject (the column in words), operator, limit, words (operator and limit) and test,
    the SQL after the value; one with a fitted limit has a cut_column instead of the test, one compared with another metric has
    than. windows lists what has to be computed for it. is_number marks a text compared as a number; a sentence replaces subject
    and words, and is_shown: false keeps the value out of reasons.
-#}
{% macro rule_node(grammar, at, body) %}
    {%- if body is not mapping -%}
        {%- do definition_error(at.subject, at.path, format_value(body), 'a rule such as {metric: orders, window_days: 30, at_least: 1}') -%}
    {%- endif -%}
    {%- if 'stay_until' in body -%}
        {%- do definition_error(at.subject, at.path ~ 'stay_until', 'stay_until inside a rule', 'stay_until beside the whole rule of a segment in var rule_segments, and in no group') -%}
    {%- endif -%}
    {%- set kinds = grammar.kinds | select('in', body) | list -%}
    {%- if kinds | length != 1 -%}
        {%- do definition_error(at.subject, at.path, 'the keys ' ~ (kinds or body) | join(', ') if body else 'no rule', 'exactly one of ', grammar.kinds | list, grammar.foreign_words.get(body | first, body | first) if body and not kinds) -%}
    {%- endif -%}
    {%- set kind = kinds[0] -%}
    {%- for name in body if name not in grammar.kinds[kind] -%}
        {%- set keys, word = grammar.kinds[kind], grammar.foreign_words.get(name, name) -%}
        {%- set way_round = ', since ' ~ kind ~ ' stands alone; ' ~ word ~ ' takes a list of rules, this one among them' if word in ['all', 'any'] else
            ', since windows are counted from as_of: {window_days: 30}, {from_days_ago: 60, to_days_ago: 30} or {month: last}; dates of a customer: {date: first_order, after: ..}' if word == 'window_days' else
            ', for which there is {metric: .., more_than: {metric: .., factor: 1.2}}' if name == 'than' else
            ', for which there is {not: {' ~ kind ~ ': ' ~ format_value(body[kind]) | replace("'", '') ~ ', equals: ..}}' if word == 'not_in' and word not in keys else '' -%}
        {%- do definition_error(at.subject, at.path ~ name, 'an unknown key' ~ (way_round if name != word), 'beside ' ~ kind ~ ', the keys ', keys + at.beside, word if word in keys else name) -%}
    {%- endfor -%}
    {%- if kind in ['all', 'any', 'not'] -%}
        {{- return(rule_group(grammar, at, kind, body[kind])) -}}
    {%- elif kind == 'metric' -%}
        {%- set condition = rule_metric(grammar, at, body) -%}
    {%- elif kind == 'score' -%}
        {%- do check(at.subject, at.path ~ 'score', body.score, {'one_of': grammar.scores, 'words': 'the scores '}) -%}
        {%- set column = {'kind': 'score', 'column': body.score, 'subject': body.score | replace('_', ' ')} -%}
        {%- set condition = rule_comparison(grammar, at, body, column, rule_operator(at, body, grammar.operators | list)) -%}
    {%- elif kind == 'attribute' -%}
        {%- set condition = rule_attribute(grammar, at, body) -%}
    {%- elif kind == 'sample_percent' -%}
        {%- do check(at.subject, at.path ~ 'salt', body.get('salt'), {'text': none, 'nullable': true, 'words': 'a non-empty string, or leave the key out'}) -%}
        {%- set salt, limit = body.get('salt') or '', rule_limit(at.subject, at.path ~ kind, 'top_percent', body.sample_percent) -%}
        {%- set condition = {
            'kind': kind,
            'column': 'customer_id',
            'salt': salt,
            'subject': 'random number' ~ (' of ' ~ salt if salt else ''),
            'operator': 'less_than',
            'limit': limit,
            'words': 'less than ' ~ limit ~ ' of 100',
            'test': '< ' ~ limit,
            'sentence': 'in a random ' ~ limit ~ '% of customers' ~ (' (' ~ salt ~ ')' if salt else ''),
        } -%}
    {%- elif kind == 'consent' -%}
        {%- set condition = rule_consent(grammar, at, body) -%}
    {%- elif kind == 'date' -%}
        {%- set condition = rule_date(grammar, at, body) -%}
    {%- elif kind in ['sequence', 'bought_together'] -%}
        {%- set condition = rule_pattern(grammar, at, body, kind) -%}
    {%- elif kind in ['prediction', 'prediction_decile'] -%}
        {%- set condition = rule_prediction(grammar, at, body, kind) -%}
    {%- else -%}
        {%- set condition = rule_reference(grammar, at, body) -%}
    {%- endif -%}
    {%- do at.conditions.append(condition) -%}
    {%- if at.conditions | length > 500 -%}
        {%- do definition_error(at.subject, at.path, 'more than 500 conditions', 'at most 500; values of one attribute are one condition: {attribute: .., in: [..]}') -%}
    {%- endif -%}
    {{- return(condition) -}}
{% endmacro %}


{% macro rule_group(grammar, at, kind, parts) %}
    {%- if at.depth >= 10 -%}
        {%- do definition_error(at.subject, at.path ~ kind, 'groups nested more than 10 deep', 'at most 10; give the inner group a segment of its own and refer to it') -%}
    {%- endif -%}
    {%- do at.levels.append(at.depth + 1) -%}
    {%- if kind == 'not' -%}
        {%- set inside = dict(at, path=at.path ~ 'not.', under_not=true, depth=at.depth + 1, beside=[]) -%}
        {{- return({'kind': 'not', 'rule': rule_node(grammar, inside, parts)}) -}}
    {%- endif -%}
    {%- if parts is string or parts is mapping or parts is not iterable or not parts -%}
        {%- do definition_error(at.subject, at.path ~ kind, format_value(parts), 'a list of one or more rules') -%}
    {%- endif -%}
    {%- set rules = [] -%}
    {%- for part in parts -%}
        {%- set inside = dict(at, path=at.path ~ kind ~ '[' ~ loop.index0 ~ '].', depth=at.depth + 1, beside=[]) -%}
        {%- do rules.append(rule_node(grammar, inside, part)) -%}
    {%- endfor -%}
    {{- return({'kind': kind, 'rules': rules}) -}}
{% endmacro %}


{% macro rule_metric(grammar, at, body) %}
    {%- do check(at.subject, at.path ~ 'metric', body.metric, {'one_of': grammar.metrics | list, 'words': 'the metrics '}) -%}
    {%- set operator, metric = rule_operator(at, body, grammar.operators | list), grammar.metrics[body.metric] -%}
    {%- set window = metric_window(at.subject, at.path, body, metric) -%}
    {%- if operator == 'is_known' and metric.absent == 0 -%}
        {%- do definition_error(at.subject, at.path ~ operator, 'is_known beside ' ~ body.metric ~ ', which is 0 for customers without rows', 'is_known beside metrics whose absent is null; here, at_most: 0 or more_than: 0') -%}
    {%- endif -%}
    {%- set column = {'kind': 'metric', 'metric': metric.key, 'column': window.column, 'windows': [window], 'subject': metric_in_words(metric, window)} -%}
    {%- if body[operator] is mapping and operator in ['at_least', 'at_most', 'more_than', 'less_than'] -%}
        {{- return(rule_comparison_of_metrics(grammar, at, body[operator], column, operator)) -}}
    {%- endif -%}
    {%- set condition = rule_comparison(grammar, at, body, column, operator) -%}
    {%- set counts = metric.aggregate.startswith('count') and 'cut_column' not in condition -%}
    {%- if counts and operator != 'is_known' and (operator, condition.limit) != ('equals', 1) -%}
        {%- do condition.update({'sentence': (counted_words(operator, condition.limit, grammar.operators[operator].words) ~ ' ' ~ condition.subject)}) -%}
    {%- endif -%}
    {{- return(condition) -}}
{% endmacro %}


{#- 'days since the last completed order' says more than 'recency days'. -#}
{% macro metric_in_words(metric, window) %}
    {%- set name = metric.description[0] | lower ~ metric.description[1:] if metric.unit == 'days' else metric.key | replace('_', ' ') -%}
    {%- set which = window.where | map(attribute='words') | list -%}
    {%- if window.kind in ['first', 'last'] -%}
        {%- set many = ' ' ~ window.size if window.size > 1 else '' -%}
        {%- set units = ' order' ~ ('s' if many) if window.table == 'lines' else '' -%}
        {%- do which.insert(0, ('of the ' if many or units else 'the ') ~ window.kind ~ many ~ units) -%}
    {%- endif -%}
    {{- return((name ~ (' (' ~ which | join(', ') ~ ')' if which else '') ~ ' ' ~ metric_window_words(window)).rstrip()) -}}
{% endmacro %}


{% macro rule_comparison_of_metrics(grammar, at, body, column, operator) %}
    {%- set path = at.path ~ operator ~ '.' -%}
    {%- do check(at.subject, path.rstrip('.'), body, {
        'keys': {'metric': {'one_of': grammar.metrics | list, 'words': 'the metrics '}},
        'optional': dict(dict.fromkeys(window_keys()), where=none, factor=none),
    }) -%}
    {%- set metric, factor = grammar.metrics[body.metric], rule_limit(at.subject, path ~ 'factor', 'at_least', body.get('factor', 1)) -%}
    {%- if factor <= 0 -%}
        {%- do definition_error(at.subject, path ~ 'factor', factor, 'a number above 0') -%}
    {%- endif -%}
    {%- set window = metric_window(at.subject, path, body, metric) -%}
    {%- set condition = dict(
        column,
        operator=operator,
        limit=body,
        than={'column': window.column, 'factor': factor},
        windows=column.windows + [window],
        words=grammar.operators[operator].words ~ (' ' ~ factor ~ ' times ' if factor != 1 else ' ') ~ metric_in_words(metric, window)
    ) -%}
    {{- return(condition) -}}
{% endmacro %}


{% macro rule_operator(at, body, operators) %}
    {%- set found = operators | select('in', body) | list -%}
    {%- if found | length != 1 -%}
        {%- do definition_error(at.subject, at.path ~ found | join(' and '), found | length ~ ' operators' if found else 'no operator', 'exactly one of ', operators) -%}
    {%- endif -%}
    {{- return(found[0]) -}}
{% endmacro %}


{% macro rule_comparison(grammar, at, body, column, operator) %}
    {%- set limit = rule_limit(at.subject, at.path ~ operator, operator, body[operator]) -%}
    {%- set words, sql = grammar.operators[operator].words, grammar.operators[operator].sql -%}
    {%- set condition = dict(column, operator=operator, limit=limit) -%}
    {%- if operator == 'is_known' -%}
        {%- do condition.update({'words': 'known' if limit else 'unknown', 'test': 'is not null' if limit else 'is null'}) -%}
    {%- elif operator == 'top' -%}
        {%- do condition.update({'words': words ~ ' ' ~ limit, 'cut_column': condition.column ~ '__first_' ~ limit}) -%}
    {%- elif operator in ['above', 'below'] -%}
        {%- do condition.update({'words': words ~ ' ' ~ limit, 'cut_column': condition.column ~ '__' ~ limit}) -%}
    {%- elif operator in ['top_percent', 'bottom_percent'] -%}
        {#- session_minutes__30d__top_25. Unlike str, '%f' never writes 1e-05; six decimals are all that rule_limit accepts. -#}
        {%- set digits = ('%.6f' % limit).rstrip('0').rstrip('.').replace('.', '_') -%}
        {%- do condition.update({'words': words ~ ' ' ~ limit ~ '%', 'cut_column': condition.column ~ '__' ~ operator.replace('percent', digits)}) -%}
    {%- elif operator == 'between' -%}
        {%- do condition.update({'words': words ~ ' ' ~ limit | join(' and '), 'test': 'between ' ~ limit | join(' and ')}) -%}
    {%- else -%}
        {%- do condition.update({'words': words ~ ' ' ~ limit, 'test': sql ~ ' ' ~ limit}) -%}
    {%- endif -%}
    {{- return(condition) -}}
{% endmacro %}


{#- 5.0 becomes 5, so that one limit has one text and one cut column. -#}
{% macro rule_limit(subject, path, operator, value) %}
    {#- The engine keeps as many values as `top` asks for. -#}
    {%- set kinds = {
        'is_known': {'one_of': [true, false]},
        'above': {'one_of': ['mean', 'median']},
        'below': {'one_of': ['mean', 'median']},
        'top': {'whole': [1, 999999], 'words': 'a whole number of customers from 1 to 999999'},
    } -%}
    {%- if operator in kinds -%}
        {%- do check(subject, path, value, kinds[operator]) -%}
        {{- return(value) -}}
    {%- endif -%}
    {%- set between = operator == 'between' -%}
    {%- set percent = operator in ['top_percent', 'bottom_percent'] -%}
    {%- set allowed = 'a number of per cent above 0 and below 100, with at most six decimals' if percent
        else 'a list [low, high] of two numbers with low <= high' if between
        else 'a number without quotes, below 1e15 in size' -%}
    {%- set values = value if between and value is iterable and value is not string and value is not mapping else [value] -%}
    {%- set numbers = [] -%}
    {#- The chained comparison also refuses .nan and .inf. -#}
    {%- for number in values if number is number and number is not boolean and -1e15 < number < 1e15 -%}
        {%- do numbers.append(number | int if number == number | int else number) -%}
    {%- endfor -%}
    {%- set is_good = numbers | length == values | length == (2 if between else 1)
        and not (between and numbers[0] > numbers[1])
        and not (percent and (not 0 < numbers[0] < 100 or numbers[0] | round(6) != numbers[0])) -%}
    {%- if not is_good -%}
        {%- do definition_error(subject, path, format_value(value), allowed) -%}
    {%- endif -%}
    {{- return(numbers if between else numbers[0]) -}}
{% endmacro %}


{% macro rule_attribute(grammar, at, body) %}
    {%- do check(at.subject, at.path ~ 'attribute', body.attribute, {'one_of': grammar.attributes, 'words': 'the attributes '}) -%}
    {%- set operators = attribute_operators(body.attribute) -%}
    {%- set operator = rule_operator(at, body, operators) -%}
    {%- set column = {'kind': 'attribute', 'column': body.attribute, 'subject': body.attribute | replace('_', ' ')} -%}
    {%- if operator not in ['in', 'not_in'] and (operator != 'equals' or 'at_least' in operators) -%}
        {{- return(rule_comparison(grammar, at, body, dict(column, is_number=true) if operator != 'is_known' else column, operator)) -}}
    {%- endif -%}
    {%- set values = [body.equals] if operator == 'equals' else body[operator] -%}
    {%- set allowed = ('a text or number' if operator == 'equals' else 'a list of one or more texts or numbers, such as [North, South]') ~ "; quote words that YAML takes for true or false, such as 'NO'" -%}
    {%- if values is string or values is mapping or values is not iterable or not values -%}
        {%- do definition_error(at.subject, at.path ~ operator, format_value(values), allowed) -%}
    {%- endif -%}
    {%- set one_of, literals = [], [] -%}
    {%- for value in values -%}
        {%- if value is boolean or (value is not string and value is not number) -%}
            {%- do definition_error(at.subject, at.path ~ operator ~ ('[' ~ loop.index0 ~ ']' if operator != 'equals' else ''), format_value(value), allowed) -%}
        {%- endif -%}
        {#- Compared as text, whatever the type of the column. -#}
        {%- if value | string not in one_of -%}
            {%- do one_of.append(value | string) -%}
            {%- do literals.append(sql_literal(value | string)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set words = {'in': 'one of', 'not_in': 'none of', 'equals': grammar.operators.equals.words} -%}
    {%- set condition = dict(
        column,
        operator='not_in' if operator == 'not_in' else 'in',
        limit=one_of,
        words=words[operator] ~ ' ' ~ one_of | join(', '),
        test=('not in (' if operator == 'not_in' else 'in (') ~ literals | join(', ') ~ ')',
    ) -%}
    {{- return(condition) -}}
{% endmacro %}


{% macro rule_date(grammar, at, body) %}
    {%- do check(at.subject, at.path ~ 'date', body.date, {'one_of': rule_dates() | list, 'words': 'the dates '}) -%}
    {%- set date, operator = rule_dates()[body.date], rule_operator(at, body, rule_dates()[body.date].operators) -%}
    {%- set name, value, path = date.words, body[operator], at.path ~ operator -%}
    {%- set window = window_of_column(date.column, grammar.metrics) -%}
    {%- set condition = {
        'kind': 'date',
        'column': date.column,
        'windows': [window] if window else [],
        'operator': operator,
        'limit': value,
        'subject': 'days since the ' ~ name if operator == 'days_ago' else name,
        'is_shown': operator != 'anniversary_in_days',
    } -%}
    {%- if operator == 'is_known' -%}
        {%- do check(at.subject, path, value, {'one_of': [true, false]}) -%}
        {%- do condition.update({'words': 'known' if value else 'unknown', 'test': 'is not null' if value else 'is null'}) -%}
    {%- elif operator == 'days_ago' -%}
        {%- set days = value if value is iterable and value is not string and value is not mapping else [value, value] -%}
        {%- set words = 'a whole number of days, or a list [least, most] of two' -%}
        {%- do check(at.subject, path, days, {'items': {'whole': [0, 36500]}, 'length': 2, 'words': words}) -%}
        {%- if days[0] > days[1] -%}
            {%- do definition_error(at.subject, path, format_value(value), words ~ ' with least <= most') -%}
        {%- endif -%}
        {%- set words = days | unique | join(' to ') -%}
        {%- do condition.update({'words': words, 'sentence': name ~ ' ' ~ words ~ (' day' if words == '1' else ' days') ~ ' ago', 'test': 'between ' ~ days | join(' and ')}) -%}
    {%- elif operator == 'anniversary_in_days' -%}
        {%- do check(at.subject, path, value, {'whole': [0, 365], 'words': 'a whole number of days from 0 to 365'}) -%}
        {%- set what = name if name == 'birthday' else 'anniversary of the ' ~ name -%}
        {%- do condition.update({'words': '', 'test': '<= ' ~ value, 'sentence': what ~ (' within ' ~ value ~ (' days' if value > 1 else ' day') if value else ' on the day')}) -%}
    {%- else -%}
        {%- do check(at.subject, path, value, {'date': true}) -%}
        {%- do condition.update({'words': operator ~ ' ' ~ value, 'test': ('> ' if operator == 'after' else '< ') ~ "date '" ~ value ~ "'"}) -%}
    {%- endif -%}
    {{- return(condition) -}}
{% endmacro %}


{#- A pattern is a column of the wide table that counts how often it is found. -#}
{% macro rule_pattern(grammar, at, body, kind) %}
    {%- set path, length = at.path ~ kind, {'items': none, 'words': 'a list of two to five ' ~ ('steps' if kind == 'sequence' else 'mappings from columns of lines to values')} -%}
    {%- do check(at.subject, path, body[kind], length) -%}
    {%- if not 2 <= body[kind] | length <= 5 -%}
        {%- do definition_error(at.subject, path, body[kind] | length ~ ' of them', length.words) -%}
    {%- endif -%}
    {%- set window = dict(day_window(at.subject, at.path, body), metric=none, table='patterns', absent=0, kind=kind, type='bigint', reads=[]) -%}
    {%- set words = [] -%}
    {%- if kind == 'bought_together' -%}
        {%- do window.update({'parts': []}) -%}
        {%- for part in body[kind] -%}
            {%- do window.parts.append(row_conditions(at.subject, path ~ '[' ~ loop.index0 ~ ']', part)) -%}
            {%- do window.reads.append(['lines', window.parts[-1]]) -%}
            {%- do words.append(window.parts[-1] | map(attribute='words') | join(', ')) -%}
        {%- endfor -%}
        {%- set sentence = words | join(' and ') ~ ' bought in one order' -%}
    {%- else -%}
        {%- do check(at.subject, at.path ~ 'within_days', body.get('within_days'), {'whole': [0, 3650], 'words': 'a whole number of days from 0 to 3650, from the first step to the last'}) -%}
        {%- do window.update({'within_days': body.within_days, 'is_missing': body[kind] | last is mapping and 'not' in body[kind] | last, 'steps': []}) -%}
        {%- if window.is_missing and body[kind] | length > 2 -%}
            {%- do definition_error(at.subject, path, 'not after more than one step', 'not in the second of two steps, such as [products_viewed, {not: orders}]') -%}
        {%- endif -%}
        {%- for part in body[kind] -%}
            {%- set place = path ~ '[' ~ loop.index0 ~ ']' ~ ('.not' if loop.last and window.is_missing else '') -%}
            {%- do window.steps.append(sequence_step(grammar, at.subject, place, part['not'] if loop.last and window.is_missing else part)) -%}
            {%- do window.reads.extend(window.steps[-1].window.reads) -%}
            {%- do words.append(window.steps[-1].words) -%}
        {%- endfor -%}
        {%- set sentence = words | join(', then ' if not window.is_missing else ', then no ') ~ ' within ' ~ body.within_days ~ (' days' if body.within_days != 1 else ' day') -%}
    {%- endif -%}
    {%- set sentence = (sentence ~ ' ' ~ metric_window_words(window)).rstrip() -%}
    {%- do window.update({'column': kind ~ '__' ~ local_md5(sentence ~ window)[:12]}) -%}
    {%- set condition = {
        'kind': 'pattern',
        'column': window.column,
        'windows': [window],
        'subject': sentence,
        'operator': 'at_least',
        'limit': 1,
        'words': '',
        'sentence': sentence,
        'test': '>= 1',
        'is_shown': false,
    } -%}
    {{- return(condition) -}}
{% endmacro %}


{% macro sequence_step(grammar, subject, path, step) %}
    {%- set entry = {'metric': step} if step is string else step -%}
    {%- do check(subject, path, entry, {
        'keys': {'metric': {'one_of': grammar.metrics | list, 'words': 'the metrics '}},
        'optional': {'where': none, 'first': none},
        'words': 'the name of a metric, or {metric: .., where: .., first: ..}',
    }) -%}
    {%- set metric = grammar.metrics[entry.metric] -%}
    {%- if metric.aggregate == 'share' or metric.table in tables_of_models() -%}
        {%- do definition_error(subject, path, entry.metric ~ ', which is a share, or made of topics or lifetime values', 'a metric of rows, such as ', ['orders', 'sessions', 'cart_adds']) -%}
    {%- endif -%}
    {%- set window = metric_window(subject, path ~ '.', entry, metric) -%}
    {%- set tests = ([metric.filter] if metric.filter else []) + window.where | map(attribute='test') | list -%}
    {{- return(dict(
        metric_tables()[metric.table],
        table=metric.table,
        window=window,
        tests=tests + ([is_among_units(metric, window)] if window.kind == 'first' else []),
        words=metric_in_words(metric, window)
    )) -}}
{% endmacro %}


{% macro rule_consent(grammar, at, body) %}
    {%- set state = body.get('is', 'granted') -%}
    {%- do check(at.subject, at.path ~ 'consent', body.consent, {'one_of': consent_purposes(), 'words': 'the purposes '}) -%}
    {%- do check(at.subject, at.path ~ 'is', state, {'one_of': ['granted', 'withdrawn', 'unstated']}) -%}
    {%- set condition = {
        'kind': 'consent',
        'column': 'consent_to_' ~ body.consent,
        'subject': 'consent to ' ~ body.consent,
        'operator': 'in',
        'limit': [state],
        'words': state,
        'test': "= '" ~ state ~ "'",
    } -%}
    {{- return(condition) -}}
{% endmacro %}


{#- Segments of other schemes are columns; rule segments get their rule from link_references. -#}
{% macro rule_reference(grammar, at, body) %}
    {%- set path = at.path ~ 'segment' -%}
    {%- set scheme, name = parts_of_segment_key(at.subject, path, body.segment, dict(grammar.schemes, rule=grammar.rules)) -%}
    {%- set condition = {'kind': 'segment', 'scheme': scheme, 'name': name, 'segment_key': body.segment} -%}
    {%- if scheme == 'rule' -%}
        {%- do at.references.append({'condition': condition, 'path': path, 'under_not': at.under_not, 'depth': at.depth}) -%}
    {%- endif -%}
    {{- return(condition) -}}
{% endmacro %}
