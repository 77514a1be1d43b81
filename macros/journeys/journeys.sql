{#- Var journey_paths, checked. -#}
{% macro journey_limits() %}
    {% set given = var('journey_paths') %}
    {% set whole = ['min_sessions', 'min_length', 'max_length', 'session_events', 'sample_sessions'] %}
    {% set expected = 'Expected a mapping with the keys min_support, a share of at least .001 and at most 1, and ' ~ whole | join(', ') ~ ', each a whole number of at least 1; max_length at least min_length and at most 6.' %}
    {% if given is not mapping or given.keys() | sort != (whole + ['min_support']) | sort %}
        {% do raise_config_error("Var journey_paths is '" ~ given ~ "'. " ~ expected) %}
    {% endif %}
    {% for key, number in given.items() %}
        {% set is_good = (number is integer and number >= 1) if key in whole else (number is number and number is not boolean and number >= 0.001 and number <= 1) %}
        {% if not is_good %}
            {% do raise_config_error("Var journey_paths has '" ~ number ~ "' as " ~ key ~ '. ' ~ expected) %}
        {% endif %}
    {% endfor %}
    {% if given.min_length > given.max_length or given.max_length > 6 %}
        {% do raise_config_error('Var journey_paths has min_length ' ~ given.min_length ~ ' and max_length ' ~ given.max_length ~ '. ' ~ expected) %}
    {% endif %}
    {{ return(given) }}
{% endmacro %}
