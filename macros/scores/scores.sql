{#- The three RFM metrics: the feature column that holds each, and its order from worst to best. -#}
{% macro rfm_metrics() %}
    {{ return({
        'recency': {'column': 'recency_days__all', 'worst_to_best': 'desc'},
        'frequency': {'column': 'orders__all', 'worst_to_best': 'asc'},
        'monetary': {'column': 'revenue__all', 'worst_to_best': 'asc'},
    }) }}
{% endmacro %}


{#-
    A score from 1 to 5: one more than the number of cut points that the value is strictly better than. A value at
    least as good as the best of the fit (cut point 5) scores 5 even where many share it. Where all buyers had one
    value, there is nothing to rank and everyone scores 3.
-#}
{% macro rfm_score(value, cuts, worst_to_best) %}
{%- set better = '<' if worst_to_best == 'desc' else '>' -%}
case
    when {{ value }} is null then null
    when coalesce({{ cuts }}_status, 'one_value') = 'one_value' then 3
    when {{ value }} {{ better }}= {{ cuts }}_5 then 5
    else
        1
        {%- for cut in range(1, 5) %}
        + case when {{ value }} {{ better }} {{ cuts }}_{{ cut }} then 1 else 0 end
        {%- endfor %}
end
{%- endmacro %}
