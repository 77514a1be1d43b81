{#- '1 day', '2 days': a count in SQL with its unit in words. -#}
{% macro counted(expression, unit) -%}
cast({{ expression }} as {{ dbt.type_string() }}) || case when {{ expression }} = 1 then ' {{ unit }}' else ' {{ unit }}s' end
{%- endmacro %}


{#- Money in SQL as text with two decimals. -#}
{% macro money_words(expression) -%}
cast(cast({{ expression }} as decimal(18, 2)) as {{ dbt.type_string() }})
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


{% macro capitalised(expression) -%}
upper(substr({{ expression }}, 1, 1)) || substr({{ expression }}, 2)
{%- endmacro %}


{#- A share from 0 to 1 in SQL as text in percent, with one decimal. -#}
{% macro percent_words(share) -%}
cast(cast(100 * {{ share }} as decimal(5, 1)) as {{ dbt.type_string() }}) || ' %'
{%- endmacro %}
