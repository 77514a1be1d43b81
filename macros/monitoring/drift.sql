{#-
    A number as a whole one with three digits: 87.45 is 87, 1,234.56 is 1,230. So a segment has at most some thousand
    different values, however many members, and shares of them differ from those of the exact values by next to nothing.
-#}
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


{#- What the segments of a scheme follow: `models` or `cutpoints` that are fitted, or `vars`. -#}
{% macro fitted_by(scheme) -%}
case
    when {{ scheme }} = 'all' then 'models'
    {%- for name, fitted in dict(fitted_schemes(), rule='cutpoints').items() %}
    when {{ scheme }} = '{{ name }}' then '{{ fitted }}'
    {%- endfor %}
    else 'vars'
end
{%- endmacro %}


{#- The share of a bin, with the floor that keeps the logarithm finite. -#}
{% macro floored_share(customers, all_customers) -%}
greatest({{ customers }} / cast({{ all_customers }} as double), 0.0001)
{%- endmacro %}


{#-
    The population stability index of bins: the sum of (now - baseline) x ln(now / baseline) over their shares. Siddiqi,
    Credit Risk Scorecards (2006); it is the Kullback-Leibler divergence both ways (Jeffreys 1946).
-#}
{% macro stability_index(now, baseline) -%}
sum(({{ now }} - {{ baseline }}) * ln({{ now }} / {{ baseline }}))
{%- endmacro %}


{#- The Kullback-Leibler divergence of now from the baseline, in nats (Kullback, Leibler 1951). -#}
{% macro divergence(now, baseline) -%}
sum({{ now }} * ln({{ now }} / {{ baseline }}))
{%- endmacro %}


{#-
    Pearson's chi-square (1900) of two rows, now and baseline, by as many columns as there are bins. Both rows' terms of a
    column add up to one square, for their differences from the expected numbers are the same.
-#}
{% macro two_row_chi_square(now, baseline, all_now, all_baseline) -%}
sum(
    power({{ now }} * cast({{ all_baseline }} as double) - {{ baseline }} * cast({{ all_now }} as double), 2)
    / (({{ now }} + {{ baseline }}) * cast({{ all_now }} as double) * {{ all_baseline }})
)
{%- endmacro %}


{#-
    What chi-square with these degrees of freedom exceeds once in 100,000 times, within two per cent (Wilson, Hilferty 1931).
    Null without degrees of freedom.
-#}
{% macro chi_square_critical_value(degrees) -%}
{%- set spread = '2 / (9 * nullif(cast(' ~ degrees ~ ' as double), 0))' -%}
{{ degrees }} * power(1 - {{ spread }} + 4.265 * sqrt({{ spread }}), 3)
{%- endmacro %}
