{#- Checks every var before the build begins, also those that no model of this build reads. -#}
{% macro validate_vars() %}
    {% for name, replacement in removed_vars().items() if var.has_var(name) %}
        {% do raise_config_error('Var ' ~ name ~ ' was removed: ' ~ replacement) %}
    {% endfor %}
    {% for name in settings() %}
        {% do setting(name) %}
    {% endfor %}
    {% do raw_warehouse() %}
    {% do backfill_range() %}
    {% do date_formats() %}
    {% do segment_goals() %}
    {% set k, paths = var('cluster_k'), var('journey_paths') %}
    {% for name, least, most in [
        ('cluster_k', k.min, k.max), ('journey_paths', paths.min_length, paths.max_length)
    ] + ascending_pairs('drift_limits') if least > most %}
        {% do definition_error('Var ' ~ name, '', least ~ ' above ' ~ most, 'the lower number first') %}
    {% endfor %}
    {% for channel, scale in var('rating_scales').items() if scale[0] == scale[1] %}
        {% do definition_error('Var rating_scales', channel, format_value(scale), 'two different ratings') %}
    {% endfor %}
    {% for table, limits in var('min_completeness').items() %}
        {% for column in limits if column not in staged_tables()[table].columns %}
            {% do definition_error('Var min_completeness', table, format_value(column), 'the optional columns ', staged_tables()[table].columns, column) %}
        {% endfor %}
    {% endfor %}
{% endmacro %}


{% macro ascending_pairs(name) %}
    {% set pairs = [] %}
    {% for key, pair in var(name).items() %}
        {% do pairs.append((name ~ ', at ' ~ key, pair[0], pair[1])) %}
    {% endfor %}
    {{ return(pairs) }}
{% endmacro %}


{#- Vars of earlier versions and what replaces them. -#}
{% macro removed_vars() %}
    {{ return({
        'value_tiers': 'the limits of value_tier are rules in var schemes.',
        'spend_limits': 'the limits of spend_limits are rules in var schemes.',
        'frequent_from_orders': 'the limits of purchase_rhythm are rules in var schemes.',
        'lifecycle_days': 'the limits of lifecycle are rules in var schemes.',
        'demographic_attribute': 'the attribute of demographic is in var schemes.',
        'imputation_rows': 'values are not imputed from neighbours any more; see var feature_treatments.',
        'imputation_neighbours': 'values are not imputed from neighbours any more; see var feature_treatments.',
        'orders_lookback_days': 'every build reads all raw orders. Delete the var.',
    }) }}
{% endmacro %}
