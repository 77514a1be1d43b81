{#-
    A row for each word of a text, in small letters without accents and apostrophes: two letters at least, and nothing else
    inside. What holds a digit, an @, a slash or a dot between letters, such as an address, gives no word at all.
-#}
{% macro words_of(expression) %}
    {{- return(adapter.dispatch('words_of', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro words_cleaned(expression) -%}
{{ regex_replace(
    regex_replace('lower(' ~ without_accents(expression) ~ ')', "[''`\u2019]", ''),
    '\\S*([0-9@/\\\\]|\\pL\\.\\pL)\\S*', ' '
) }}
{%- endmacro %}

{% macro default__words_of(expression) -%}
    unnest(regexp_extract_all({{ words_cleaned(expression) }}, '\pL{2,}'))
{%- endmacro %}


{#- Var topics, checked. -#}
{% macro topic_settings() %}
    {% set given = var('topics') %}
    {% set whole = ['count', 'min_customers', 'max_terms', 'shown_terms', 'sample_tickets', 'seed'] %}
    {% set expected = 'Expected a mapping with the keys max_ticket_share, a share above 0 and at most 1, and ' ~ whole | join(', ') ~ ', each a whole number of at least 1; count at most 50.' %}
    {% if given is not mapping or given.keys() | sort != (whole + ['max_ticket_share']) | sort %}
        {% do raise_config_error("Var topics is '" ~ given ~ "'. " ~ expected) %}
    {% endif %}
    {% for key, number in given.items() %}
        {% set is_good = (number is integer and number >= 1) if key in whole else (number is number and number is not boolean and number > 0 and number <= 1) %}
        {% if not is_good or (key == 'count' and number > 50) %}
            {% do raise_config_error("Var topics has '" ~ number ~ "' as " ~ key ~ '. ' ~ expected) %}
        {% endif %}
    {% endfor %}
    {{ return(given) }}
{% endmacro %}


{#- The columns that hold a ticket's share of each topic: topic_01, topic_02 and so on. -#}
{% macro topic_columns() %}
    {% set columns = [] %}
    {% for number in range(1, topic_settings().count + 1) %}
        {% do columns.append('topic_%02d' % number) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{#- Var rating_scales: the worst and the best rating of each channel that has ratings. -#}
{% macro rating_scales() %}
    {% set given = var('rating_scales') %}
    {% set channels = ['support', 'review', 'survey', 'social'] %}
    {% set expected = 'Expected a mapping from channels (' ~ channels | join(', ') ~ ') to the worst and the best rating, such as {review: [1, 5]}.' %}
    {% if given is not mapping or not given %}
        {% do raise_config_error("Var rating_scales is '" ~ given ~ "'. " ~ expected) %}
    {% endif %}
    {% for channel, scale in given.items() %}
        {% if channel not in channels or scale is string or scale is mapping or scale is not iterable or scale | length != 2 or scale | reject('number') | list or scale[0] == scale[1] %}
            {% do raise_config_error("Var rating_scales has '" ~ scale ~ "' for " ~ channel ~ '. ' ~ expected) %}
        {% endif %}
    {% endfor %}
    {{ return(given) }}
{% endmacro %}
