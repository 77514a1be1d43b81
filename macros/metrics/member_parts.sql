{% macro member_parts(memberships, least) -%}
select
    segment_key,
    cast(greatest(floor(count(*) / {{ least }}), 1) as bigint) as parts,
    {{ compact_key(hashed_id(['segment_key'])) }} as segment_hash
from {{ memberships }}
group by segment_key
{%- endmacro %}


{#- Customer keys are hashes, so equal remainders are a random sample; the hash of the segment gives each its own remainder. -#}
{% macro is_in_part(customer_key, parts) -%}
mod({{ customer_key }}, {{ parts }}.parts) = mod({{ parts }}.segment_hash, {{ parts }}.parts)
{%- endmacro %}
