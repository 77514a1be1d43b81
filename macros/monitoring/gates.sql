{% macro gate_severity(gate) %}
    {{ return('error' if gate in setting('error_gates') else setting('test_severity')) }}
{% endmacro %}


{% macro text_beside_limit(number, value, limit, decimals=2) -%}
{%- set shown = 'decimal(18, ' ~ decimals ~ ')' -%}
case
    when
        {{ value }} <> {{ limit }}
        and cast({{ value }} as {{ shown }}) = cast({{ limit }} as {{ shown }})
        then cast({{ rounded(number) }} as {{ dbt.type_string() }})
    else cast(cast({{ number }} as {{ shown }}) as {{ dbt.type_string() }})
end
{%- endmacro %}


{% macro percent_beside_limit(number, value, limit) -%}
{%- set text = text_beside_limit('100 * ' ~ number, '100 * ' ~ value, '100 * ' ~ limit, 1) -%}
case
    when {{ number }} > 0 and {{ text }} = '0.0' then '<0.1%'
    else replace({{ text }} || '%', '.0%', '%')
end
{%- endmacro %}
