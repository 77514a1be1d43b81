{% macro counted(expression, unit) -%}
cast({{ expression }} as {{ dbt.type_string() }}) || case when {{ expression }} = 1 then ' {{ unit }}' else ' {{ unit }}s' end
{%- endmacro %}


{% macro money_words(expression) -%}
cast(cast({{ expression }} as decimal(18, 2)) as {{ dbt.type_string() }})
{%- endmacro %}


{% macro percent_words(share) -%}
case
    when {{ share }} > 0 and {{ share }} < 0.0005 then '<0.1%'
    else replace(cast(cast(100 * {{ share }} as decimal(5, 1)) as {{ dbt.type_string() }}) || '%', '.0%', '%')
end
{%- endmacro %}
