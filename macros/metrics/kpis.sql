{% macro kpis_with_change() %}
    {{ return([
        'customers', 'period_revenue', 'revenue_per_member', 'period_order_value', 'conversion', 'repeat_rate',
        'sessions_per_member', 'response_rate',
    ]) }}
{% endmacro %}


{% macro segment_goals() %}
    {% set goals = setting('segment_goals') %}
    {% for segment_key, goal in goals.items() %}
        {% do parts_of_segment_key('Var segment_goals', '', segment_key) %}
        {% do definition_error('Var segment_goals', segment_key, 0, 'a change other than 0') if goal.change == 0 %}
    {% endfor %}
    {{ return(goals) }}
{% endmacro %}
