{% macro profile_columns() %}
    {% set columns = derived_columns() %}
    {% for entry in var('feature_windows') %}
        {% do columns.append(metric_window('Var feature_windows', '', entry, metrics()[entry.metric]).column) %}
    {% endfor %}
    {{ return(columns | unique | sort) }}
{% endmacro %}


{% macro wide_table_windows() %}
    {% set windows = metric_windows() %}
    {% for column in core_columns() if column not in windows | map(attribute='column') %}
        {% do definition_error('Var metrics', '', 'no metric ' ~ column.split('__')[0], 'the metrics that the schemes, the scores and the mart customer_features need, as in the dbt_project.yml of customer_segmentation') %}
    {% endfor %}
    {{ return(windows) }}
{% endmacro %}


{% macro derived_columns() %}
    {{ return(['monetary_mean', 'categories', 'variety', 'discount_affinity'] + score_names()) }}
{% endmacro %}


{% macro rounded(expression, digits=6) -%}
round(cast({{ expression }} as double), {{ digits }})
{%- endmacro %}


{#- A sum of doubles depends on the order of the rows, and a mean halfway between two rounded values would fall on either side. -#}
{% macro exact_mean(expression) -%}
cast(sum(cast({{ expression }} as decimal(38, 12))) as double) / nullif(count({{ expression }}), 0)
{%- endmacro %}
