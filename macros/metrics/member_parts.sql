{#-
    Into how many parts the members of each segment are divided so that one part has at least so many of them (all of them,
    where there are not twice as many), as a query.
-#}
{% macro member_parts(memberships, least) -%}
select
    segment_key,
    cast(greatest(floor(count(*) / {{ least }}), 1) as bigint) as parts,
    {{ compact_key(hashed_id(['segment_key'])) }} as segment_hash
from {{ memberships }}
group by segment_key
{%- endmacro %}


{#-
    Whether a member is in the part that is drawn: a sample that looks random and is the same in every build. Customer keys are
    hashes, so their remainders are even; each segment draws those that leave another remainder.
-#}
{% macro is_in_part(customer_key, parts) -%}
mod({{ customer_key }}, {{ parts }}.parts) = mod({{ parts }}.segment_hash, {{ parts }}.parts)
{%- endmacro %}
