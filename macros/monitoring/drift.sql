{#- A few thousand different values per segment at most, however many members; the shares hardly change. -#}
{% macro round_to_three_significant_digits(expression) -%}
cast(
    case
        {%- for unit in [1, 10, 100, 1000] %}
        when abs({{ expression }}) < {{ 1000 * unit }}
            then round(cast({{ expression }} as double) / {{ unit }}) * {{ unit }}
        {%- endfor %}
        else round(cast({{ expression }} as double) / 10000) * 10000
    end as bigint
)
{%- endmacro %}


{% macro fitted_by(scheme) -%}
case
    when {{ scheme }} = 'all' then 'models'
    {%- for name, fitted in dict(fitted_schemes(), rule='cutpoints').items() %}
    when {{ scheme }} = '{{ name }}' then '{{ fitted }}'
    {%- endfor %}
    else 'vars'
end
{%- endmacro %}


{#- Pearson (1900). The two terms of a bin add up to one square: both differ equally from the expected numbers. -#}
{% macro two_row_chi_square(now, baseline, all_now, all_baseline) -%}
sum(
    power({{ now }} * cast({{ all_baseline }} as double) - {{ baseline }} * cast({{ all_now }} as double), 2)
    / (({{ now }} + {{ baseline }}) * cast({{ all_now }} as double) * {{ all_baseline }})
)
{%- endmacro %}


{#- Wilson and Hilferty (1931), within 2%. -#}
{% macro chi_square_critical_value(degrees) -%}
{%- set spread = '2 / (9 * nullif(cast(' ~ degrees ~ ' as double), 0))' -%}
{{ degrees }} * power(1 - {{ spread }} + 4.265 * sqrt({{ spread }}), 3)
{%- endmacro %}
