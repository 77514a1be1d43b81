{#- The feature columns that segments are profiled by: var feature_windows and those made of several metrics. -#}
{% macro profile_columns() %}
    {% set columns = derived_columns() %}
    {% for entry in var('feature_windows') %}
        {% do columns.append(metric_window('Var feature_windows', '', entry).column) %}
    {% endfor %}
    {{ return(columns | unique | sort) }}
{% endmacro %}


{% macro wide_table_windows() %}
    {% set windows = metric_windows() %}
    {% for column in core_columns() if column not in windows | map(attribute='column') %}
        {% do raise_config_error('Var metrics has no ' ~ column.split('__')[0] ~ ', which the schemes, the scores and the mart customer_features need. Expected it as in the dbt_project.yml of customer_segmentation.') %}
    {% endfor %}
    {{ return(windows) }}
{% endmacro %}


{#- The numbers of the wide table of features that are made of several metrics. -#}
{% macro derived_columns() %}
    {{ return(['monetary_mean', 'categories', 'variety', 'discount_affinity'] + score_names()) }}
{% endmacro %}


{#- A measured number, rounded so that the last bits, which depend on the number of threads, don't show. -#}
{% macro rounded(expression, digits=6) -%}
round(cast({{ expression }} as double), {{ digits }})
{%- endmacro %}


{#-
    A mean of numbers that doesn't depend on the order of the rows: doubles are added with errors, and a mean that lies between
    two rounded values would fall on either side.
-#}
{% macro exact_mean(expression) -%}
cast(sum(cast({{ expression }} as decimal(38, 12))) as double) / nullif(count({{ expression }}), 0)
{%- endmacro %}
