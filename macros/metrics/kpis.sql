{% macro kpis_with_change() %}
    {{ return([
        'customers', 'period_revenue', 'revenue_per_member', 'period_order_value', 'conversion', 'repeat_rate',
        'sessions_per_member', 'response_rate',
    ]) }}
{% endmacro %}


{% macro segment_goals() %}
    {% set goals, schemes = setting('segment_goals'), exclusive_schemes() | list + ['rule'] %}
    {% for segment_key, goal in goals.items() if segment_key.split(':')[0] not in schemes or goal.change == 0 %}
        {% do definition_error('Var segment_goals', segment_key, format_value(goal.change) if goal.change == 0 else 'no such segment',
            'a change other than 0' if goal.change == 0 else 'segments such as rfm:champions, of the schemes ', [] if goal.change == 0 else schemes) %}
    {% endfor %}
    {{ return(goals) }}
{% endmacro %}
