{% macro validate_vars() %}
    {% for name, replacement in {
        'value_tiers': 'the limits of value_tier are rules in var schemes.',
        'spend_limits': 'the limits of spend_limits are rules in var schemes.',
        'frequent_from_orders': 'the limits of purchase_rhythm are rules in var schemes.',
        'lifecycle_days': 'the limits of lifecycle are rules in var schemes.',
        'demographic_attribute': 'the attribute of demographic is in var schemes.',
        'imputation_rows': 'values are no longer imputed from neighbours; see var feature_treatments.',
        'imputation_neighbours': 'values are no longer imputed from neighbours; see var feature_treatments.',
        'cart_event_types': 'event types have their roles cart, remove and buy in var event_roles.',
        'prior_gap_days': 'the gap before it is known is the mean of the buyers. Delete the var.',
        'orders_lookback_days': 'every build reads all raw orders. Delete the var.',
    }.items() if var.has_var(name) %}
        {% do exceptions.raise_compiler_error('Var ' ~ name ~ ' was removed: ' ~ replacement) %}
    {% endfor %}
    {% for name in settings() %}
        {% do setting(name) %}
    {% endfor %}
    {% if execute and setting('prediction_xgboost') %}
        {% do call_plugin('segmentation_require_xgboost', []) %}
    {% endif %}
    {#- A role names a folder, and a role of a warehouse. -#}
    {% for role in var('roles') %}
        {% do check('Var roles', 'the name of a role', role, name_kind()) %}
    {% endfor %}
    {% do check_retention() %}
    {% do raw_warehouse() %}
    {% do backfill_range() %}
    {% do date_formats() %}
    {% do event_roles() %}
    {% do segment_goals() %}
    {% do experiments() %}
    {% set k, paths = var('cluster_k'), var('journey_paths') %}
    {% set pairs = {'cluster_k': [k.min, k.max], 'journey_paths': [paths.min_length, paths.max_length]} %}
    {% for test, limits in var('drift_limits').items() %}
        {% do pairs.update({'drift_limits, at ' ~ test: limits}) %}
    {% endfor %}
    {% for name, pair in pairs.items() if pair[0] > pair[1] %}
        {% do definition_error('Var ' ~ name, '', pair[0] ~ ' above ' ~ pair[1], 'the lower number first') %}
    {% endfor %}
    {% for channel, scale in var('rating_scales').items() if scale[0] == scale[1] %}
        {% do definition_error('Var rating_scales', channel, format_value(scale), 'two different ratings') %}
    {% endfor %}
    {% do cluster_features('prediction_features') %}
    {% do check_metric_columns() if execute %}
    {% do embedding_model_key() if execute %}
    {#- The columns of the sources are unknown while dbt parses. -#}
    {% for table, limits in var('min_completeness').items() if execute %}
        {% for column in limits if column not in staged_tables()[table].columns %}
            {% do definition_error('Var min_completeness', table, format_value(column), 'the optional columns ', staged_tables()[table].columns, column) %}
        {% endfor %}
    {% endfor %}
{% endmacro %}

