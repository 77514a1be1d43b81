{#- One row per as_of, with a column for each percentile that a rule compares with. For a CTE named `cutpoints`. -#}
{% macro rule_cuts_in_force() -%}
select
    periods.as_of
    {%- for cut in rule_percentile_cuts() %},
    max(case when fitted.metric = '{{ cut.cut_column }}' then fitted.cut_value end) as {{ cut.cut_column }}
    {%- endfor %}
from {{ ref('int_periods') }} as periods
left join {{ ref('int_segmentation__cutpoints') }} as fitted
    on periods.cutpoints_fitted_as_of = fitted.fitted_as_of and fitted.scheme = 'rule'
group by periods.as_of
{%- endmacro %}
