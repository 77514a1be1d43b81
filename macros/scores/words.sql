{#- '1 day', '2 days': a count in SQL with its unit in words. -#}
{% macro counted(expression, unit) -%}
cast({{ expression }} as {{ dbt.type_string() }}) || case when {{ expression }} = 1 then ' {{ unit }}' else ' {{ unit }}s' end
{%- endmacro %}


{#- Money in SQL as text with two decimals. -#}
{% macro money_words(expression) -%}
cast(cast({{ expression }} as decimal(18, 2)) as {{ dbt.type_string() }})
{%- endmacro %}


{#- A share from 0 to 1 in SQL as text in percent, with one decimal. -#}
{% macro percent_words(share) -%}
cast(cast(100 * {{ share }} as decimal(5, 1)) as {{ dbt.type_string() }}) || '%'
{%- endmacro %}
