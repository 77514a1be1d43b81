{% macro predictions() %}
    {{- return(segments_as_code().predictions) -}}
{% endmacro %}


{% macro declared_predictions() %}
    {%- set predictions, subject, features = var('predictions', {}) or {}, 'Var predictions', var('prediction_features', []) | map(attribute='name', default='') | list -%}
    {%- set feature = {'one_of': features, 'words': 'the features of var prediction_features '} -%}
    {%- do check(subject, '', predictions, {'may_be_empty': true, 'values': {
        'keys': {
            'who': none,
            'outcome': none,
            'horizon_days': {'whole': [1, 3650], 'words': 'a whole number of days from 1 to 3650'},
            'naive_rule': {'values': feature, 'named': ['high', 'low'], 'words': 'the feature that a simple rule would go by, such as {high: recency}'},
        },
        'optional': dict.fromkeys(segment_texts()),
    }}) -%}
    {%- for name, entry in predictions.items() -%}
        {%- do check(subject, 'the name of a prediction', name, name_kind()) -%}
        {%- if entry.naive_rule | length != 1 -%}
            {%- do definition_error(subject, name ~ '.naive_rule', format_value(entry.naive_rule), 'one feature, such as {high: recency}') -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(predictions) -}}
{% endmacro %}


{#- Each part is a segment of its own, so that it is parsed, linked and worded like any other. -#}
{% macro parsed_predictions(grammar) %}
    {%- set parsed = {} -%}
    {%- for name, entry in declared_predictions().items() -%}
        {%- set subject = "Prediction '" ~ name ~ "' in var predictions" -%}
        {%- do parsed.update({
            name ~ ' who': parsed_segment(grammar, subject ~ ', who', 'who', name, entry, entry.who),
            name ~ ' outcome': parsed_segment(grammar, subject ~ ', outcome', 'outcome', name, entry, rule_within(subject ~ ', outcome', '', entry.outcome, entry.horizon_days)),
        }) -%}
    {%- endfor -%}
    {{- return(parsed) -}}
{% endmacro %}


{#- A window that reaches back before the origin would ask for what is known already. -#}
{% macro rule_within(subject, path, body, days) %}
    {%- if body is not mapping -%}
        {{- return(body) -}}
    {%- endif -%}
    {%- set inside = dict(body) -%}
    {%- for kind in ['all', 'any'] if body.get(kind) is sequence and body[kind] is not string and body[kind] is not mapping -%}
        {%- set parts = [] -%}
        {%- for part in body[kind] -%}
            {%- do parts.append(rule_within(subject, path ~ kind ~ '[' ~ loop.index0 ~ '].', part, days)) -%}
        {%- endfor -%}
        {%- do inside.update({kind: parts}) -%}
    {%- endfor -%}
    {%- if 'not' in body -%}
        {%- do inside.update({'not': rule_within(subject, path ~ 'not.', body['not'], days)}) -%}
    {%- endif -%}
    {%- set kind = ['metric', 'sequence', 'bought_together'] | select('in', body) | first | default(none) -%}
    {%- set longest = body.get('from_days_ago', body.get('window_days', days)) -%}
    {%- set others = window_keys() | reject('in', ['window_days', 'from_days_ago', 'to_days_ago']) | select('in', body) | list -%}
    {%- if kind and (others or (longest is number and longest > days)) -%}
        {%- do definition_error(subject, path ~ (others or ['from_days_ago' if 'from_days_ago' in body else 'window_days'])[0], 'a window that may begin before the origin', 'windows of at most horizon_days (' ~ days ~ ') days, or none, which is the whole outcome window') -%}
    {%- elif kind and 'window_days' not in body and 'from_days_ago' not in body -%}
        {%- do inside.update({'window_days': days}) -%}
    {%- endif -%}
    {{- return(inside) -}}
{% endmacro %}


{% macro linked_predictions(segments, schemes) %}
    {%- set predictions = {} -%}
    {%- for name, entry in declared_predictions().items() -%}
        {%- set who, outcome = segments[name ~ ' who'], segments[name ~ ' outcome'] -%}
        {%- set used, conditions = [], outcome.conditions | rejectattr('kind', 'equalto', 'segment') | list -%}
        {%- for condition in outcome.conditions if condition.kind == 'segment' and 'rule' not in condition -%}
            {%- if condition.scheme not in schemes -%}
                {%- do definition_error(outcome.subject, 'segment', format_value(condition.segment_key), 'segments of the schemes in var schemes or of rule, since the others are known as of the first days of periods alone: ', schemes | list) -%}
            {%- endif -%}
            {%- do used.append(condition.scheme) -%}
            {%- do conditions.extend(schemes[condition.scheme].conditions) -%}
        {%- endfor -%}
        {%- for condition in conditions if condition.kind not in ['metric', 'pattern'] or condition.windows | selectattr('table', 'in', tables_of_models()) | list -%}
            {%- do definition_error(outcome.subject, condition.kind, condition.get('subject', condition.kind), 'rules of metrics and patterns of rows, whose windows can end on any day, and segments made of them') -%}
        {%- endfor -%}
        {%- do predictions.update({name: {
            'name': name,
            'subject': "Prediction '" ~ name ~ "' in var predictions",
            'title': who.name or name | replace('_', ' ') | capitalize,
            'description': who.description,
            'recommended_action': who.recommended_action,
            'who': who.rule,
            'outcome': outcome.rule,
            'who_words': rule_words(who.rule),
            'outcome_words': modules.re.sub(
                'in the last ([0-9]+) days',
                'in the last \\1 of the next ' ~ entry.horizon_days ~ ' days',
                rule_words(outcome.rule) | replace('in the last ' ~ entry.horizon_days ~ ' day', 'in the next ' ~ entry.horizon_days ~ ' day')
            ),
            'horizon_days': entry.horizon_days,
            'sign': 1 if 'high' in entry.naive_rule else -1,
            'naive_feature': entry.naive_rule.values() | first,
            'schemes': used | unique | list,
            'conditions': who.conditions + outcome.conditions,
            'outcome_conditions': conditions,
        }}) -%}
    {%- endfor -%}
    {{- return(predictions) -}}
{% endmacro %}


{% macro check_predictions_come_last(segments) %}
    {%- for segment in segments.values() if segment.scheme != 'rule' -%}
        {%- for condition in segment.conditions if condition.kind in ['prediction', 'prediction_decile'] -%}
            {%- do definition_error(segment.subject, 'rule', 'a rule with {' ~ condition.kind ~ ': ' ~ condition.prediction ~ '}', 'rules without predictions, which are made after schemes; var rule_segments may name them') -%}
        {%- endfor -%}
    {%- endfor -%}
{% endmacro %}


{% macro rule_prediction(grammar, at, body, kind) %}
    {%- do check(at.subject, at.path ~ kind, body[kind], {'one_of': grammar.predictions, 'words': 'the predictions '}) -%}
    {%- set name, columns = body[kind], prediction_columns(body[kind]) -%}
    {%- set operator = rule_operator(at, body, grammar.kinds[kind][1:]) -%}
    {%- set words = 'that the customer ' ~ name | replace('_', ' ') -%}
    {%- set column = {'kind': kind, 'prediction': name} -%}
    {%- if kind == 'prediction_decile' -%}
        {{- return(rule_comparison(grammar, at, body, dict(column, column=columns.decile, subject='decile of the probability ' ~ words), operator)) -}}
    {%- elif operator != 'top_percent' -%}
        {{- return(rule_comparison(grammar, at, body, dict(column, column=columns.probability, subject='probability ' ~ words), operator)) -}}
    {%- endif -%}
    {%- set limit = rule_limit(at.subject, at.path ~ operator, operator, body.top_percent) -%}
    {%- set condition = dict(
        column,
        column=columns.rank_percent,
        subject='per cent of those asked about with a higher probability ' ~ words,
        operator=operator,
        limit=limit,
        words='less than ' ~ limit,
        test='< ' ~ limit,
        sentence='probability ' ~ words ~ ' in the top ' ~ limit ~ '%'
    ) -%}
    {{- return(condition) -}}
{% endmacro %}


{% macro prediction_columns(name) %}
    {{- return({'probability': 'probability_of_' ~ name, 'decile': 'decile_of_' ~ name, 'rank_percent': 'rank_percent_of_' ~ name}) -}}
{% endmacro %}


{% macro prediction_outcome_windows() %}
    {#- A scheme of buyers asks whether there was an order. -#}
    {%- set windows = {'orders__all': window_of_column('orders__all', metrics())} -%}
    {%- for prediction in predictions().values() -%}
        {%- for window in prediction.outcome_conditions | map(attribute='windows') | sum(start=[]) -%}
            {%- do windows.update({window.column: window}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(windows.values() | sort(attribute='column')) -}}
{% endmacro %}


{#- As the fit sees them: gaps filled, then logarithm, caps, centre and scale, rounded so that trees split the same everywhere. -#}
{% macro prediction_vector(customers, parameters) %}
    {%- set values = [] -%}
    {%- for feature in cluster_features('prediction_features') -%}
        {%- do values.append(prediction_value(customers ~ '.' ~ feature.column, parameters, loop.index)) -%}
    {%- endfor -%}
    {{- return(list_of_numbers(values)) -}}
{% endmacro %}

{#- A line per element. -#}
{% macro list_of_numbers(values) %}
    {{- return(dbt.array_construct(['\n    ' ~ values | join(',\n    ') ~ '\n'], 'double')) -}}
{% endmacro %}

{% macro prediction_value(column, parameters, place) -%}
    {%- set value = 'coalesce(cast(' ~ column ~ ' as double), ' ~ list_element(parameters ~ '.fill', place) ~ ')' %}
    {{ rounded('(least(greatest(
        case when ' ~ list_element(parameters ~ '.log_used', place) ~ ' = 1 then ln(1 + greatest(' ~ value ~ ', 0)) else ' ~ value ~ ' end,
        ' ~ list_element(parameters ~ '.lower_cap', place) ~ '
    ), ' ~ list_element(parameters ~ '.upper_cap', place) ~ ') - ' ~ list_element(parameters ~ '.centre', place) ~ ') / ' ~ list_element(parameters ~ '.scale', place), 4) }}
{%- endmacro %}


{#- What a feature is called in reasons. -#}
{% macro prediction_feature_words(feature) %}
    {%- set window = window_of_column(feature.column, metrics()) -%}
    {{- return(metric_in_words(metrics()[window.metric], window) if window else feature.column | replace('_', ' ')) -}}
{% endmacro %}


{% macro prediction_model_id(models) -%}
    {{ models }}.target || '-' || {{ models }}.model || '-' || cast({{ models }}.fitted_as_of as {{ dbt.type_string() }})
{%- endmacro %}


{% macro threshold_group(predictions, customers) -%}
case {{ predictions }}.target
    {%- for target, threshold in setting('group_thresholds').items() %}
    when '{{ target }}'
        then coalesce(cast({{ customers }}.{{ threshold.attribute }} as {{ dbt.type_string() }}), 'unknown')
    {%- else %}
    when '' then ''
    {%- endfor %}
end
{%- endmacro %}


{#- An effect of less than a tenth of a point is no reason. -#}
{% macro strongest_effects(customers, effects) -%}
    {%- set sizes, words = [], [] -%}
    {%- for feature in cluster_features('prediction_features') -%}
        {%- set bin = count_below(effects ~ '.upper_' ~ feature.name, list_element(customers ~ '.feature_values', loop.index)) ~ ' + 1' -%}
        {%- set effect = 'coalesce(' ~ list_element(effects ~ '.effect_' ~ feature.name, bin) ~ ', 0)' -%}
        {%- set value = rounded_text(customers ~ '.' ~ feature.column) -%}
        {%- do sizes.append('round(1000 * ' ~ effect ~ ')') -%}
        {%- do words.append(sql_literal(prediction_feature_words(feature) ~ ': ') ~ ' || coalesce(' ~ value ~ ", 'none')") -%}
    {%- endfor -%}
    {{- return(adapter.dispatch('strongest_effects', 'customer_segmentation')(sizes, words)) -}}
{%- endmacro %}

{% macro default__strongest_effects(sizes, words) -%}
list_transform(
    list_sort(list_filter(
        [
            {%- for size in sizes %}
            {'rank': -abs({{ size }}), 'position': {{ loop.index }}, 'size': {{ size }}, 'words': {{ words[loop.index0] }}}
            {{- ',' if not loop.last }}
            {%- endfor %}
        ],
        lambda effect: effect.rank < 0
    )),
    lambda effect: effect.words || case when effect.size > 0 then ' (raises the probability)' else ' (lowers the probability)' end
)
{%- endmacro %}

{% macro spark__strongest_effects(sizes, words) -%}
transform(
    array_sort(filter(
        array(
            {%- for size in sizes %}
            named_struct('rank', -abs({{ size }}), 'position', {{ loop.index }}, 'size', {{ size }}, 'words', {{ words[loop.index0] }})
            {{- ',' if not loop.last }}
            {%- endfor %}
        ),
        effect -> effect.rank < 0
    )),
    effect -> effect.words || case when effect.size > 0 then ' (raises the probability)' else ' (lowers the probability)' end
)
{%- endmacro %}
