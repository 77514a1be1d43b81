{% macro metric_table_windows(table, windows, periods) -%}
{%- set declared = metrics() -%}
{%- set counting = metric_tables()[table] -%}
select
    periods.as_of,
    facts.customer_key
    {%- for window in windows if declared[window.metric].table == table %}
    {%- set metric = declared[window.metric] %}
    {%- set aggregate = metric_aggregate(metric, window) %},
    {{ 'cast(' ~ aggregate ~ ' as decimal(18, 2))' if metric.unit == 'currency' else aggregate }} as {{ window.column }}
    {%- endfor %}
from {{ periods }} as periods
inner join {{ ref(metric_model(table)) }} as facts
    on
        {%- if counting == 'by_attribution' %}
        periods.as_of > facts.attributed_from
        and periods.as_of <= facts.attributed_until
        {%- else %}
        periods.as_of > facts.day
        {%- endif %}
        {%- if counting == 'by_fit' %}
        and periods.models_fitted_as_of = facts.fitted_as_of
        {%- endif %}
group by periods.as_of, facts.customer_key
{%- endmacro %}
