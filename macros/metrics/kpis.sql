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
    {% set goals = var('segment_goals') %}
    {% set expected = 'Expected a mapping such as {"rule:recent_buyers": {kpi: repeat_rate, change: .10}}, with a kpi of ' ~ kpis_with_change() | join(', ') ~ ' and a change that is a number other than 0.' %}
    {% if goals is not mapping %}
        {% do raise_config_error("Var segment_goals is '" ~ goals ~ "'. " ~ expected) %}
    {% endif %}
    {% set schemes = exclusive_schemes() | list + ['rule'] %}
    {% for segment_key, goal in goals.items() %}
        {% set is_goal = goal is mapping and goal.keys() | sort == ['change', 'kpi'] and goal.kpi in kpis_with_change() and goal.change is number and goal.change is not boolean and goal.change != 0 %}
        {% if not is_goal or not modules.re.fullmatch('(' ~ schemes | join('|') ~ '):[^:]+', segment_key | string) %}
            {% do raise_config_error("Var segment_goals has '" ~ goal ~ "' for '" ~ segment_key ~ "'. " ~ expected) %}
        {% endif %}
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
