{#- Stops the build with one sentence when a var holds what it can't hold. Runs before any SQL does. -#}
{% macro validate_vars() %}
    {% for name in ['as_of', 'history_start', 'latest_plausible_date'] %}
        {% do optional_date_var(name) %}
    {% endfor %}
    {% for name in ['timezone', 'raw_timezone'] %}
        {% if var(name) not in modules.pytz.all_timezones_set %}
            {% do stop("Var " ~ name ~ " is '" ~ var(name) ~ "'. Expected a zone of the IANA time zone database, such as Europe/Berlin or UTC.") %}
        {% endif %}
    {% endfor %}
    {% for name, allowed in {
        'period': ['month', 'week', 'day'],
        'refit_cutpoints': ['period', 'quarter', 'year'],
        'refit_models': ['period', 'quarter', 'year'],
        'segmentation_consent': ['opt_out', 'opt_in'],
        'test_severity': ['warn', 'error'],
        'demographic_attribute': rule_attributes(),
    }.items() %}
        {% if var(name) not in allowed %}
            {% do stop("Var " ~ name ~ " is '" ~ var(name) ~ "'. Expected one of " ~ allowed | join(', ') ~ ".") %}
        {% endif %}
    {% endfor %}
    {% if not modules.re.fullmatch('[A-Za-z0-9_-]+', var('dataset') | string) %}
        {% do stop("Var dataset is '" ~ var('dataset') ~ "'. Expected letters, digits, _ and - only: it names the working file.") %}
    {% endif %}
    {% do order_statuses() %}
    {% do non_negative_number_var('max_reject_rate') %}
    {% do non_negative_number_var('largest_plausible_amount') %}
    {% do non_negative_number_var('min_segment_share') %}
    {% do non_negative_number_var('min_demographics_share') %}
{% endmacro %}


{% macro stop(message) %}
    {% do exceptions.raise_compiler_error(message) %}
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
        {% do stop("Var " ~ name ~ " is '" ~ text ~ "'. Expected a date of the calendar as 'YYYY-MM-DD', or null.") %}
    {% endif %}
    {{ return(text) }}
{% endmacro %}


{% macro non_negative_number_var(name) %}
    {% set value = var(name) %}
    {% if value is not number or value is boolean or value < 0 %}
        {% do stop("Var " ~ name ~ " is '" ~ value ~ "'. Expected a number of 0 or more.") %}
    {% endif %}
    {{ return(value) }}
{% endmacro %}


{#- What each raw order status means, lower case; the three words themselves always included. -#}
{% macro order_statuses() %}
    {% set meanings = ['completed', 'returned', 'ignored'] %}
    {% set statuses = {'completed': 'completed', 'returned': 'returned', 'ignored': 'ignored'} %}
    {% set given = var('order_statuses') %}
    {% if given is not mapping %}
        {% do stop("Var order_statuses is '" ~ given ~ "'. Expected a mapping of raw words to completed, returned or ignored.") %}
    {% endif %}
    {% for word, meaning in given.items() %}
        {% if meaning not in meanings %}
            {% do stop("Var order_statuses maps '" ~ word ~ "' to '" ~ meaning ~ "'. Expected one of " ~ meanings | join(', ') ~ ".") %}
        {% endif %}
        {% do statuses.update({(word | string | lower): meaning}) %}
    {% endfor %}
    {{ return(statuses) }}
{% endmacro %}
