{% macro profile_columns() %}
    {% set columns = derived_columns() %}
    {% for entry in var('feature_windows') %}
        {% do columns.append(metric_window('Var feature_windows', '', entry, metrics()[entry.metric]).column) %}
    {% endfor %}
    {% for name in predictions() %}
        {% do columns.append(prediction_columns(name).probability) %}
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


{#- Vars decide on these columns, so no properties file can list them. -#}
{% macro wide_table_descriptions() %}
    {% set described, measured = {}, graph.nodes['model.customer_segmentation.int_features__customers_measured'].columns %}
    {% for column in graph.nodes['model.customer_segmentation.int_segmentation__customers_scored'].columns.values() %}
        {% do described.update({column.name: column.description}) %}
    {% endfor %}
    {% for column in derived_columns() + buyers_columns() | list + ['top_category', 'has_events'] %}
        {% do described.update({column: measured[column].description}) %}
    {% endfor %}
    {% for window in metric_windows() if window.metric %}
        {% set metric, rows = metrics()[window.metric], window.where | map(attribute='words') | list %}
        {% if window.kind in ['first', 'last'] %}
            {% do rows.append('the ' ~ window.kind ~ ' ' ~ window.size) %}
        {% endif %}
        {% set days = metric_window_words(window) %}
        {% do described.update({window.column: metric.description ~ (', ' ~ days if days else '') ~ (' (' ~ rows | join(', ') ~ ')' if rows else '')
            ~ '. Unit: ' ~ metric.unit ~ '; ' ~ ('null' if metric.absent is none else 0) ~ ' without rows.'}) %}
    {% endfor %}
    {% for window in metric_windows() if not window.metric %}
        {% do described.update({window.column: 'Above 0 if the customer did what a rule with ' ~ window.kind ~ ' describes.'}) %}
    {% endfor %}
    {% if reads_birthdays() %}
        {% do described.update({'birthday_in_days': 'Days from as_of to the next birthday. Null if unknown.'}) %}
    {% endif %}
    {% for name, prediction in predictions().items() %}
        {% set columns = prediction_columns(name) %}
        {% do described.update({
            columns.probability: 'Probability that the customer ' ~ name | replace('_', ' ') ~ ' within ' ~ prediction.horizon_days ~ ' days: ' ~ prediction.outcome_words ~ '. From 0 to 1.',
            columns.decile: 'Its decile among the customers asked about, 10 the most likely.',
            columns.rank_percent: 'Per cent of them with a higher probability.',
        }) %}
    {% endfor %}
    {% for scheme in schemes() %}
        {% do described.update({scheme: 'Segment of the scheme ' ~ scheme ~ ', without its name.'}) %}
    {% endfor %}
    {{ return(described) }}
{% endmacro %}


{% macro derived_columns() %}
    {{ return(['monetary_mean', 'categories', 'variety', 'discount_affinity'] + score_names()) }}
{% endmacro %}


{#- Spark rounds a double as it is written, so that its 1.005 would be 1.01. Whole numbers are rounded alike. -#}
{% macro rounded(expression, digits=6) -%}
(round(cast({{ expression }} as double) * {{ 10 ** digits }}) / {{ 10 ** digits }})
{%- endmacro %}


{#- A sum of doubles depends on the order of the rows, and a mean halfway between two rounded values would fall on either side. -#}
{% macro exact_mean(expression) -%}
{{ exact_sum(expression) }} / nullif(count({{ expression }}), 0)
{%- endmacro %}


{% macro exact_sum(expression) -%}
cast(sum(cast({{ expression }} as decimal(38, 12))) as double)
{%- endmacro %}
