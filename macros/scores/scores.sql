{#-
    Quintiles of recency in own gaps would be chance alone: in step with their pace, all customers are anywhere between two orders.
    Orders at random, at a steady pace, leave a silence of 2 gaps in 14 of 100 cases, of 3 in 5, of 4 in 2 and of 6 in 0.2.
-#}
{% macro rfm_metrics() %}
    {% set recency = {'column': 'recency_days__all'} %}
    {% if setting('rfm_recency') == 'own_gaps' %}
        {% set recency = {'column': 'recency_gaps', 'limits': [6, 4, 3, 2]} %}
    {% endif %}
    {{ return({
        'recency': dict(recency, worst_to_best='desc'),
        'frequency': {'column': 'orders__all', 'worst_to_best': 'asc'},
        'monetary': {'column': 'revenue__all', 'worst_to_best': 'asc'},
    }) }}
{% endmacro %}


{% macro rfm_score(value, cuts, worst_to_best, slack=0) %}
{%- set better = '<' if worst_to_best == 'desc' else '>' -%}
{%- set away = -slack if worst_to_best == 'desc' else slack -%}
case
    when {{ value }} is null then null
    when coalesce({{ cuts }}_status, 'one_value') = 'one_value' then 3
    when {{ value }} {{ better }}= {{ moved_cut(cuts ~ '_5', away) }} then 5
    else
        1
        {%- for cut in range(1, 5) %}
        + case when {{ value }} {{ better }} {{ moved_cut(cuts ~ '_' ~ cut, away) }} then 1 else 0 end
        {%- endfor %}
end
{%- endmacro %}


{% macro moved_cut(cut, share) -%}
{{ cut if not share else '(' ~ cut ~ ' + ' ~ share ~ ' * abs(' ~ cut ~ '))' }}
{%- endmacro %}


{% macro spend_band(revenue, cuts) -%}
'band_' || cast(
    1
    {%- for cut in range(1, setting('spend_breaks')) %}
    + case when {{ revenue }} > {{ cuts }}_{{ cut }} then 1 else 0 end
    {%- endfor %}
    as {{ dbt.type_string() }}
)
{%- endmacro %}


{% macro limit_of_score(score, cuts, worst_to_best) -%}
case {{ score }}
    {%- for reached in range(2, 6) %}
    {%- if worst_to_best == 'desc' %}
    when {{ reached }} then greatest({{ cuts }}_5, {{ cuts }}_{{ reached - 1 }} - 1)
    {%- else %}
    when {{ reached }} then least({{ cuts }}_5, {{ cuts }}_{{ reached - 1 }} + 1)
    {%- endif %}
    {%- endfor %}
end
{%- endmacro %}


{% macro replayed_score(metric) -%}
case
    when {{ metric }}_score is null then null
    else
        1
        {%- for score in range(2, 6) %}
        + case
            when
                max(
                    case
                        when {{ metric }}_score_at_least >= {{ score }} then as_of
                        when as_of = first_as_of and {{ metric }}_score >= {{ score }} then as_of
                    end
                ) over so_far
                > coalesce(
                    max(case when {{ metric }}_score_at_most < {{ score }} then as_of end) over so_far,
                    date '0001-01-01'
                )
                then 1
            else 0
        end
        {%- endfor %}
end
{%- endmacro %}
