{#- Vars whose values name other things, checked here; `settings` has all others. -#}

{% macro raise_config_error(message) %}
    {% do exceptions.raise_compiler_error(message) %}
{% endmacro %}


{#-
    Var cluster_features or journey_features: a list of {name, column, ...} whose columns are in the wide table of features;
    the latter may be empty. The fit checks caps and scaling.
-#}
{% macro cluster_features(name='cluster_features') %}
    {% set features, subject = var(name), 'Var ' ~ name %}
    {% do check(subject, '', features, {
        'may_be_empty': name != 'cluster_features',
        'words': 'a list such as [{name: frequency, column: orders__all, log: true}]',
        'items': {
            'keys': {'name': name_kind(), 'column': {'text': none}},
            'optional': {
                'log': none, 'caps': none, 'scaling': none, 'treated': {'one_of': [true, false]},
                'encoding': {'one_of': ['number', 'one_hot', 'ordinal']},
                'levels': {'items': none, 'words': 'a list of at least two levels, the lowest first'},
                'word_low': none, 'word_high': none, 'noun': none, 'orders_clusters': none,
            },
        },
    }) %}
    {% set numbers = derived_columns() + metric_windows() | map(attribute='column') | list %}
    {% for feature in features %}
        {% set path, encoding = '[' ~ loop.index0 ~ ']', feature.get('encoding', 'number') %}
        {% set columns = numbers if encoding == 'number' else rule_attributes() %}
        {% if encoding != 'number' and feature.get('levels', []) | length < 2 %}
            {% do definition_error(subject, path ~ '.levels', format_value(feature.get('levels')), 'a list of at least two levels, the lowest first') %}
        {% elif feature.get('treated') and feature.column not in var('feature_treatments') %}
            {% do definition_error(subject, path ~ '.treated', 'true', 'true for a column of var feature_treatments only: ', var('feature_treatments') | list, feature.column) %}
        {% elif feature.column not in columns %}
            {% do definition_error(subject, path ~ '.column', format_value(feature.column), 'a metric and its window, such as orders__90d; or ', columns | sort, feature.column) %}
        {% endif %}
    {% endfor %}
    {{ return(features) }}
{% endmacro %}


{#- Var date_formats: a list of strptime formats, or a mapping from a source system to such a list. -#}
{% macro date_formats() %}
    {% set given = var('date_formats') %}
    {% for formats in (given.values() if given is mapping else [given]) %}
        {% if formats is string or formats is not iterable or not formats %}
            {% do raise_config_error("Var date_formats is '" ~ given ~ "'. Expected a list of formats, such as ['%Y-%m-%d'], or a mapping from a source system to one.") %}
        {% endif %}
        {% for format in formats %}
            {% set parts = modules.re.findall('%-?[A-Za-z%]', format | string) | map('replace', '-', '') | list %}
            {% set has_date = 'd' in parts | join and ('m' in parts | join or 'b' in parts | join | lower) and 'y' in parts | join | lower %}
            {% if format is not string or not has_date or parts | reject('in', ['%Y', '%y', '%m', '%b', '%B', '%d', '%H', '%M', '%S']) | list %}
                {% do raise_config_error("Var date_formats holds '" ~ format ~ "'. Expected a day (%d), a month (%m, %b or %B) and a year (%Y or %y), and beside them at most %H, %M and %S.") %}
            {% endif %}
        {% endfor %}
    {% endfor %}
    {{ return(given) }}
{% endmacro %}


{#- What each raw order status means, lower case; the three words themselves always included. -#}
{% macro order_statuses() %}
    {% set statuses = {'completed': 'completed', 'returned': 'returned', 'ignored': 'ignored'} %}
    {% for word, meaning in setting('order_statuses').items() %}
        {% do statuses.update({(word | string | lower): meaning}) %}
    {% endfor %}
    {{ return(statuses) }}
{% endmacro %}


{#- The event types of var cart_event_types, lower case as in stg_events. -#}
{% macro cart_event_types() %}
    {% set types = {} %}
    {% for key, event_type in setting('cart_event_types').items() %}
        {% do types.update({key: event_type | trim | lower}) %}
    {% endfor %}
    {{ return(types) }}
{% endmacro %}


{#- The reporting currency of var currency in capitals, or none. -#}
{% macro reporting_currency() %}
    {{ return((setting('currency') or '') | trim | upper or none) }}
{% endmacro %}
