{#-
    A query of the segments that somebody is in, each with its scheme, how many memberships it has and a number. Many
    memberships are grouped and joined by numbers at half the cost of text keys. A number means nothing outside of the query.
-#}
{% macro numbered_segments(memberships) -%}
select
    segment_key,
    min(scheme) as scheme,
    count(*) as memberships,
    cast(row_number() over (order by segment_key) as integer) as number
from {{ memberships }}
group by segment_key
{%- endmacro %}
