{#- Checks the vars that no macro reads before the build begins. The others are checked where models read them, at parse. -#}
{% macro validate_vars() %}
    {% for name, replacement in removed_vars().items() if var.has_var(name) %}
        {% do raise_config_error('Var ' ~ name ~ ' was removed: ' ~ replacement) %}
    {% endfor %}
    {% do raw_warehouse() %}
    {% do timezone_var('timezone') %}
    {% do timezone_var('raw_timezone') %}
    {% do choice_var('period', ['month', 'week', 'day']) %}
    {% do choice_var('segmentation_consent', ['opt_out', 'opt_in']) %}
    {% do choice_var('test_severity', ['warn', 'error']) %}
    {% do optional_date_var('latest_plausible_date') %}
    {% do backfill_range() %}
    {% do whole_number_var('rebuild_periods') %}
    {% do number_var('max_reject_rate', 0, 1) %}
    {% do number_var('largest_plausible_amount') %}
    {% do number_var('min_segment_share', 0, 1) %}
    {% do number_var('min_demographics_share', 0, 1) %}
    {% do number_var('min_reconciled_share', 0, 1) %}
    {% do number_var('min_consents_share', 0, 1) %}
    {% do number_var('min_validity', 0, 1) %}
    {% do number_var('min_data_quality', 0, 1) %}
    {% do by_table_var('freshness_days', 1) %}
    {% do by_table_var('source_owners') %}
    {% do completeness_limits() %}
    {% do date_formats() %}
    {% do whole_number_var('oldest_plausible_age', 1) %}
    {% do identity_vetoes() %}
    {% do whole_number_var('identity_cap', 1) %}
    {% do whole_number_var('linkage_seed') %}
    {% do whole_number_var('max_segments', 1) %}
    {% do whole_number_var('cluster_seed') %}
    {% if var('publish_targets') is string or var('publish_targets') is not iterable %}
        {% do raise_config_error("Var publish_targets is '" ~ var('publish_targets') ~ "'. Expected a list of targets, such as [local].") %}
    {% endif %}
    {% if var('dataset') is none or not modules.re.fullmatch('[A-Za-z0-9_-]+', var('dataset') | string) %}
        {% do raise_config_error("Var dataset is '" ~ var('dataset') ~ "'. Expected letters, digits, _ and - only: it names the working file.") %}
    {% endif %}
{% endmacro %}


{#- Vars of earlier versions, each with what replaces it. -#}
{% macro removed_vars() %}
    {{ return({
        'orders_lookback_days': 'every build reads all raw orders. Delete the var.',
    }) }}
{% endmacro %}
