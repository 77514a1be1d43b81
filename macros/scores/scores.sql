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
    value, there is nothing to rank and everyone scores 3. slack moves the cut points by that share: above 0 they are
    harder to beat, below 0 easier.
-#}
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


{#- Natural breaks are the upper bounds of the bands, inclusive. A break that the fit didn't find is null. -#}
{% macro spend_band(revenue, cuts) -%}
'band_' || cast(
    1
    {%- for cut in range(1, setting('spend_breaks')) %}
    + case when {{ revenue }} > {{ cuts }}_{{ cut }} then 1 else 0 end
    {%- endfor %}
    as {{ dbt.type_string() }}
)
{%- endmacro %}


{#-
    The value that just reaches a score, as a case over the score: one better than the cut point below the score, or
    the best value where that comes first. Whole numbers only, which recency and frequency are.
-#}
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
