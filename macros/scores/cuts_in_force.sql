{#- A query with one row per fit: all cut points of rfm, value_tier and spend_breaks as columns. -#}
{% macro cuts_in_force() -%}
select
    cutpoints.fitted_as_of
    {%- for metric in rfm_metrics() %}
    {%- for cut in range(1, 6) %},
    max(
        case when cutpoints.scheme = 'rfm' and cutpoints.metric = '{{ metric }}' and cutpoints.cut_number = {{ cut }} then cutpoints.cut_value end
    ) as {{ metric }}_{{ cut }}
    {%- endfor %},
    max(case when cutpoints.scheme = 'rfm' and cutpoints.metric = '{{ metric }}' then cutpoints.status end) as {{ metric }}_status
    {%- endfor %},
    max(case when cutpoints.scheme = 'value_tier' and cutpoints.cut_number = 1 then cutpoints.cut_value end) as medium_from,
    max(case when cutpoints.scheme = 'value_tier' and cutpoints.cut_number = 2 then cutpoints.cut_value end) as high_from
    {%- for cut in range(1, spend_bands()) %},
    max(case when cutpoints.scheme = 'spend_breaks' and cutpoints.cut_number = {{ cut }} then cutpoints.cut_value end) as break_{{ cut }}
    {%- endfor %}
from (
    select
        fitted_as_of,
        scheme,
        metric,
        cut_number,
        cut_value,
        status
    from {{ ref('int_segmentation__cutpoints') }}
    union all
    select
        as_of as fitted_as_of,
        'spend_breaks' as scheme,
        null as metric,
        cut_number,
        cut_value,
        status
    from {{ ref('int_segmentation__spend_breaks') }}
) as cutpoints
group by cutpoints.fitted_as_of
{%- endmacro %}
