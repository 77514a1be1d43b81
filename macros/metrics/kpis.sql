{#- The KPIs that segment_kpis holds against the period before, and that a goal may name. -#}
{% macro kpis_with_change() %}
    {{ return([
        'customers', 'period_revenue', 'revenue_per_member', 'period_order_value', 'conversion', 'repeat_rate',
        'sessions_per_member', 'response_rate',
    ]) }}
{% endmacro %}


{#- A KPI over that of the period before, less 1. In a model with `kpis` and `earlier`. -#}
{% macro kpi_change(kpi) -%}
kpis.{{ kpi }} / nullif(cast(earlier.{{ kpi }} as double), 0) - 1
{%- endmacro %}


{#- Var segment_goals: {segment_key: {kpi: name, change: share of the period before}}. -#}
{% macro segment_goals() %}
    {% set goals, schemes = setting('segment_goals'), exclusive_schemes() | list + ['rule'] %}
    {% for segment_key, goal in goals.items() if segment_key.split(':')[0] not in schemes or goal.change == 0 %}
        {% do definition_error('Var segment_goals', segment_key, format_value(goal.change) if goal.change == 0 else 'no such segment',
            'a change other than 0' if goal.change == 0 else 'segments such as rfm:champions, of the schemes ', [] if goal.change == 0 else schemes) %}
    {% endfor %}
    {{ return(goals) }}
{% endmacro %}


{#- SQL of a part of the goal of each segment that has one: its kpi, its change, or how much of that was reached. -#}
{% macro goal_case(goals, part) -%}
{%- set type = dbt.type_string() if part == 'kpi' else 'double' -%}
{%- if not goals -%}
cast(null as {{ type }})
{%- else -%}
cast(case kpis.segment_key
    {%- for segment_key, goal in goals.items() %}
    when {{ sql_literal(segment_key) }} then {{ {
        'kpi': "'" ~ goal.kpi ~ "'",
        'change': goal.change,
        'progress': '(' ~ kpi_change(goal.kpi) ~ ') / ' ~ goal.change,
    }[part] }}
    {%- endfor %}
end as {{ type }})
{%- endif -%}
{%- endmacro %}
