{% macro cluster_features(name='cluster_features') %}
    {% set features, subject = var(name), 'Var ' ~ name %}
    {% do check(subject, '', features, {
        'may_be_empty': name != 'cluster_features',
        'words': 'a list such as [{name: frequency, column: orders__all, log: true}]',
        'items': {
            'keys': {'name': name_kind(), 'column': {'text': none}},
            'optional': {'log': {'one_of': [true, false]}} if name == 'prediction_features' else {
                'log': none, 'caps': none, 'scaling': none, 'treated': {'one_of': [true, false]},
                'encoding': {'one_of': ['number', 'one_hot', 'ordinal']},
                'levels': {'items': none, 'words': 'a list of at least two levels, the lowest first'},
                'word_low': none, 'word_high': none, 'noun': none, 'orders_clusters': none,
            },
        },
    }) %}
    {#- Of a sample, these are columns beside the features. -#}
    {% set taken = ['as_of', 'target', 'origin', 'customer_key', 'outcome', 'is_test', 'draw_key', 'sample_hash', 'scheme', 'kind', 'customers', 'position'] %}
    {% for feature in features %}
        {% do check_name(subject, '[' ~ loop.index0 ~ '].name', feature.name, taken) %}
        {% do taken.append(feature.name) %}
    {% endfor %}
    {% set numbers = derived_columns() + metric_windows() | map(attribute='column') | list %}
    {% for feature in features %}
        {% set path, encoding = '[' ~ loop.index0 ~ ']', feature.get('encoding', 'number') %}
        {% set columns = numbers if encoding == 'number' else rule_attributes() %}
        {% if encoding != 'number' and feature.get('levels', []) | length < 2 %}
            {% do definition_error(subject, path ~ '.levels', format_value(feature.get('levels')), 'a list of at least two levels, the lowest first') %}
        {% elif feature.get('treated') and feature.column not in var('feature_treatments') %}
            {% do definition_error(subject, path ~ '.treated', 'true', 'true for a column of var feature_treatments only: ', var('feature_treatments') | list, feature.column) %}
        {% elif feature.column[:15] == 'probability_of_' %}
            {% do definition_error(subject, path ~ '.column', format_value(feature.column), 'a column known before clusters are: predictions are made after them. Of lifetime value, probability_alive__all and expected_purchases__all are known before') %}
        {% elif feature.column not in columns %}
            {% do definition_error(subject, path ~ '.column', format_value(feature.column), 'a metric and its window, such as orders__90d; or ', columns | sort, feature.column) %}
        {% endif %}
    {% endfor %}
    {{ return(features) }}
{% endmacro %}


{% macro date_formats() %}
    {% set given, formats = var('date_formats'), {'items': {
        'text': '(?=.*%-?d)(?=.*%-?[mbB])(?=.*%-?[yY])([^%]|%-?[YymbBdHMS])+',
        'words': 'a format with a day (%d), a month (%m, %b or %B) and a year (%Y or %y), and beside them at most %H, %M and %S',
    }} %}
    {% do check('Var date_formats', '', given, {'values': formats, 'may_be_empty': true} if given is mapping else formats) %}
    {{ return(given) }}
{% endmacro %}


{% macro event_roles() %}
    {% set roles, role_of = {}, {} %}
    {% for role, event_types in setting('event_roles').items() %}
        {% do roles.update({role: event_types | map('trim') | map('lower') | unique | list}) %}
        {% for event_type in roles[role] if role_of.setdefault(event_type, role) != role %}
            {% do definition_error('Var event_roles', role, format_value(event_type), 'an event type in one role only; it is in ' ~ role_of[event_type] ~ ' already') %}
        {% endfor %}
    {% endfor %}
    {{ return(roles) }}
{% endmacro %}


{% macro reporting_currency() %}
    {{ return((setting('currency') or '') | trim | upper or none) }}
{% endmacro %}
