{#- Grouping and joining by number costs half of what text keys cost. Numbers are valid within one query only. -#}
{% macro numbered_segments(memberships) -%}
select
    segment_key,
    min(scheme) as scheme,
    count(*) as memberships,
    cast(row_number() over (order by segment_key) as integer) as number
from {{ memberships }}
group by segment_key
{%- endmacro %}
