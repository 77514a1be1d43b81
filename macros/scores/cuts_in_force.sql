{% macro cuts_in_force(periods=none, fitted_as_of='cutpoints_fitted_as_of') -%}
{%- set cuts = {} -%}
{%- for metric in rfm_metrics() -%}
    {%- for number in range(1, 6) -%}
        {%- do cuts.update({metric ~ '_' ~ number: ['rfm', metric, number]}) -%}
    {%- endfor -%}
{%- endfor -%}
{%- for number in range(1, setting('spend_breaks')) -%}
    {%- do cuts.update({'break_' ~ number: ['spend_breaks', 'revenue__all', number]}) -%}
{%- endfor -%}
{%- for cut in percentile_cuts() -%}
    {%- do cuts.update({cut.cut_column: [cut.scheme, cut.metric, cut.cut_number]}) -%}
{%- endfor -%}
select
    periods.as_of,
    {%- for column, cut in cuts.items() %}
    max(
        case when fitted.scheme = '{{ cut[0] }}' and fitted.metric = '{{ cut[1] }}' and fitted.cut_number = {{ cut[2] }} then fitted.cut_value end
    ) as {{ column }},
    {%- endfor %}
    {%- for metric in rfm_metrics() %}
    max(case when fitted.scheme = 'rfm' and fitted.metric = '{{ metric }}' then fitted.status end) as {{ metric }}_status,
    {%- endfor %}
    max(fitted.fitted_as_of) as cutpoints_fitted_as_of
from {{ periods or ref('int_periods') }} as periods
left join {{ ref('int_segmentation__cutpoints') }} as fitted on periods.{{ fitted_as_of }} = fitted.fitted_as_of
group by periods.as_of
{%- endmacro %}
