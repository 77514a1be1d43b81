{#- Vars are read through these macros: a value that can't be used stops dbt with the var, the value and what is expected. -#}

{% macro raise_config_error(message) %}
    {% do exceptions.raise_compiler_error(message) %}
{% endmacro %}


{#- The number of a var, with its limits. -#}
{% macro number_var(name, least=0, most=none) %}
    {% set value = var(name) %}
    {% if value is not number or value is boolean or value != value or value < least or (most is not none and value > most) %}
        {% do raise_config_error("Var " ~ name ~ " is '" ~ value ~ "'. Expected a number of at least " ~ least ~ (' and at most ' ~ most if most is not none else '') ~ '.') %}
    {% endif %}
    {{ return(value) }}
{% endmacro %}


{#- The whole number of a var, with its limits. -#}
{% macro whole_number_var(name, least=0, most=none) %}
    {% if var(name) is not integer %}
        {% do raise_config_error("Var " ~ name ~ " is '" ~ var(name) ~ "'. Expected a whole number.") %}
    {% endif %}
    {{ return(number_var(name, least, most)) }}
{% endmacro %}


{#- The value of a var that has to be one of a list. -#}
{% macro choice_var(name, allowed) %}
    {% if var(name) not in allowed %}
        {% do raise_config_error("Var " ~ name ~ " is '" ~ var(name) ~ "'. Expected one of " ~ allowed | join(', ') ~ '.') %}
    {% endif %}
    {{ return(var(name)) }}
{% endmacro %}


{#- The mapping of a var that has exactly these keys, each with a whole number of at least `least`. -#}
{% macro whole_numbers_var(name, keys, least=1) %}
    {% set value = var(name) %}
    {% set expected = 'Expected a mapping with the keys ' ~ keys | join(', ') ~ ', each a whole number of at least ' ~ least ~ '.' %}
    {% if value is not mapping or value.keys() | sort != keys | sort %}
        {% do raise_config_error("Var " ~ name ~ " is '" ~ value ~ "'. " ~ expected) %}
    {% endif %}
    {% for key, number in value.items() if number is not integer or number < least %}
        {% do raise_config_error("Var " ~ name ~ " has '" ~ number ~ "' as " ~ key ~ '. ' ~ expected) %}
    {% endfor %}
    {{ return(value) }}
{% endmacro %}


{#- The date of a var as text 'YYYY-MM-DD', or none when the var is null. -#}
{% macro optional_date_var(name) %}
    {% set value = var(name) %}
    {% if value is none %}
        {{ return(none) }}
    {% endif %}
    {% set text = value | string %}
    {% set parts = modules.re.fullmatch('(\d{4})-(\d{2})-(\d{2})', text) %}
    {% set year, month, day = (parts.group(1) | int, parts.group(2) | int, parts.group(3) | int) if parts else (0, 0, 0) %}
    {% set leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) %}
    {% set days_in_month = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] %}
    {% if year < 1 or month < 1 or month > 12 or day < 1 or day > days_in_month[month - 1] %}
        {% do raise_config_error("Var " ~ name ~ " is '" ~ text ~ "'. Expected a date of the calendar as 'YYYY-MM-DD', or null.") %}
    {% endif %}
    {{ return(text) }}
{% endmacro %}


{#- A time zone of the IANA database: `timezone` is where a customer's day begins, `raw_timezone` that of bare stamps. -#}
{% macro timezone_var(name) %}
    {% if var(name) is not string or var(name) not in modules.pytz.all_timezones_set %}
        {% do raise_config_error("Var " ~ name ~ " is '" ~ var(name) ~ "'. Expected a zone of the IANA time zone database, such as Europe/Berlin or UTC.") %}
    {% endif %}
    {{ return(var(name)) }}
{% endmacro %}


{#- What each raw order status means, lower case; the three words themselves always included. -#}
{% macro order_statuses() %}
    {% set meanings = ['completed', 'returned', 'ignored'] %}
    {% set statuses = {'completed': 'completed', 'returned': 'returned', 'ignored': 'ignored'} %}
    {% set given = var('order_statuses') %}
    {% if given is not mapping %}
        {% do raise_config_error("Var order_statuses is '" ~ given ~ "'. Expected a mapping of raw words to completed, returned or ignored.") %}
    {% endif %}
    {% for word, meaning in given.items() %}
        {% if meaning not in meanings %}
            {% do raise_config_error("Var order_statuses maps '" ~ word ~ "' to '" ~ meaning ~ "'. Expected one of " ~ meanings | join(', ') ~ '.') %}
        {% endif %}
        {% do statuses.update({(word | string | lower): meaning}) %}
    {% endfor %}
    {{ return(statuses) }}
{% endmacro %}


{#- The event types of var cart_event_types, lower case as in stg_events. -#}
{% macro cart_event_types() %}
    {% set types, given = {}, var('cart_event_types') %}
    {% for key in ['added', 'removed', 'bought'] %}
        {% if given is not mapping or given | length != 3 or given.get(key) is not string or not given[key] | trim %}
            {% do raise_config_error("Var cart_event_types is '" ~ given ~ "'. Expected a mapping with the keys added, removed, bought, each an event type.") %}
        {% endif %}
        {% do types.update({key: given[key] | trim | lower}) %}
    {% endfor %}
    {{ return(types) }}
{% endmacro %}


{#- The percents of var value_tiers: high, and medium below it. Something must be left for low. -#}
{% macro value_tiers() %}
    {% set tiers = whole_numbers_var('value_tiers', ['high', 'medium']) %}
    {% if tiers.high + tiers.medium >= 100 %}
        {% do raise_config_error('Var value_tiers adds up to ' ~ (tiers.high + tiers.medium) ~ ' %. Expected less than 100: the rest is low.') %}
    {% endif %}
    {{ return(tiers) }}
{% endmacro %}


{#- The days of var lifecycle_days. -#}
{% macro lifecycle_days() %}
    {% set days = whole_numbers_var('lifecycle_days', ['new', 'active', 'lapsed', 'gap']) %}
    {% if days.active >= days.lapsed %}
        {% do raise_config_error('Var lifecycle_days has active ' ~ days.active ~ ' and lapsed ' ~ days.lapsed ~ '. Expected active below lapsed.') %}
    {% endif %}
    {{ return(days) }}
{% endmacro %}


{#- The fewest and most clusters of var cluster_k. -#}
{% macro cluster_k() %}
    {% set k = whole_numbers_var('cluster_k', ['min', 'max'], least=2) %}
    {% if k.min > k.max or k.max > 20 %}
        {% do raise_config_error('Var cluster_k has min ' ~ k.min ~ ' and max ' ~ k.max ~ '. Expected min at most max, and max at most 20.') %}
    {% endif %}
    {{ return(k) }}
{% endmacro %}


{#-
    Var cluster_features or journey_features: a list of {name, column, ...} whose columns are in the wide table of features;
    the latter may be empty. The fit checks caps and scaling.
-#}
{% macro cluster_features(name='cluster_features') %}
    {% set features = var(name) %}
    {% set expected = 'Expected a list such as [{name: frequency, column: orders__all, log: true}].' %}
    {% if features is string or features is mapping or features is not iterable or (not features and name == 'cluster_features') %}
        {% do raise_config_error('Var ' ~ name ~ " is '" ~ features ~ "'. " ~ expected) %}
    {% endif %}
    {% set numbers = derived_columns() + metric_windows() | map(attribute='column') | list %}
    {% for feature in features %}
        {% set keys = ['name', 'column', 'log', 'caps', 'scaling', 'encoding', 'levels', 'word_low', 'word_high', 'noun', 'orders_clusters'] %}
        {% if feature is mapping and feature.keys() | reject('in', keys) | list %}
            {% do raise_config_error('Var ' ~ name ~ " holds '" ~ feature ~ "'. Expected of the keys " ~ keys | join(', ') ~ ' name, column and any others.') %}
        {% elif feature is not mapping or not modules.re.fullmatch('[a-z][a-z0-9_]*', feature.get('name', '') | string) %}
            {% do raise_config_error('Var ' ~ name ~ " holds '" ~ feature ~ "'. " ~ expected) %}
        {% endif %}
        {% set encoding = feature.get('encoding', 'number') %}
        {% set columns = numbers if encoding == 'number' else rule_attributes() %}
        {% if encoding not in ['number', 'one_hot', 'ordinal'] %}
            {% do raise_config_error('Var ' ~ name ~ " has the encoding '" ~ encoding ~ "'. Expected number, one_hot or ordinal.") %}
        {% elif encoding != 'number' and (feature.get('levels') is string or feature.get('levels', []) | length < 2) %}
            {% do raise_config_error('Var ' ~ name ~ " has the levels '" ~ feature.get('levels') ~ "' of " ~ feature.name ~ '. Expected a list of at least two, the lowest first.') %}
        {% elif feature.get('column') not in columns %}
            {% do raise_config_error('Var ' ~ name ~ " names the column '" ~ feature.get('column') ~ "'. Expected one of " ~ columns | sort | join(', ') ~ '; or a metric and its window, such as orders__90d.') %}
        {% endif %}
    {% endfor %}
    {{ return(features) }}
{% endmacro %}


{#- The limits of var segment_products. -#}
{% macro segment_products_settings() %}
    {{ return(whole_numbers_var('segment_products', ['window_days', 'buyers', 'least_buyers', 'top'])) }}
{% endmacro %}


{#- The attribute whose values are the segments of the scheme demographic. -#}
{% macro demographic_attribute() %}
    {{ return(choice_var('demographic_attribute', rule_attributes())) }}
{% endmacro %}


{#- The number of bands of the scheme spend_breaks. -#}
{% macro spend_bands() %}
    {{ return(whole_number_var('spend_breaks', 2, 20)) }}
{% endmacro %}


{#- The reporting currency of var currency in capitals, or none. -#}
{% macro reporting_currency() %}
    {% set currency = var('currency') %}
    {% if currency is not none and (currency is not string or not currency | trim) %}
        {% do raise_config_error("Var currency is '" ~ currency ~ "'. Expected one currency, such as EUR, or null.") %}
    {% endif %}
    {{ return(currency | trim | upper if currency is not none else none) }}
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


{#-
    A var that maps contract tables to values, each of which passes: a number of at least `least` and at most `most`, or,
    with `least` none, text.
-#}
{% macro by_table_var(name, least=none, most=none) %}
    {% set given = var(name) %}
    {% set expected = 'Expected a mapping from tables of the input contract to ' ~ ('text' if least is none else 'numbers of at least ' ~ least ~ (' and at most ' ~ most if most is not none else '')) ~ '.' %}
    {% if given is not mapping %}
        {% do raise_config_error("Var " ~ name ~ " is '" ~ given ~ "'. " ~ expected) %}
    {% endif %}
    {% for table, value in given.items() %}
        {% set is_good = (value is string) if least is none else (value is number and value is not boolean and value >= least and (most is none or value <= most)) %}
        {% if table not in contract_tables() or not is_good %}
            {% do raise_config_error("Var " ~ name ~ " has '" ~ value ~ "' for " ~ table ~ '. ' ~ expected) %}
        {% endif %}
    {% endfor %}
    {{ return(given) }}
{% endmacro %}


{#- Var min_completeness: {table: {column: least share of rows that have it}}, for optional columns. -#}
{% macro completeness_limits() %}
    {% set given = var('min_completeness') %}
    {% set expected = 'Expected a mapping from tables of the input contract to their optional columns, each with a share from 0 to 1.' %}
    {% if given is not mapping or given.values() | reject('mapping') | list %}
        {% do raise_config_error("Var min_completeness is '" ~ given ~ "'. " ~ expected) %}
    {% endif %}
    {% for table, limits in given.items() %}
        {% for column, share in limits.items() %}
            {% if table not in contract_tables() or (execute and column not in staged_tables()[table].columns) or share is not number or share is boolean or share < 0 or share > 1 %}
                {% do raise_config_error("Var min_completeness has '" ~ share ~ "' for the column " ~ column ~ " of " ~ table ~ '. ' ~ expected) %}
            {% endif %}
        {% endfor %}
    {% endfor %}
    {{ return(given) }}
{% endmacro %}
