{#-
    All changes of memberships as a query: those between two periods, and the entries of the first period, which are its
    memberships. customer_ids has customer_key and customer_id.
-#}
{% macro all_changes(memberships, changes, periods, customer_ids) -%}
select
    {{ customer_ids }}.customer_id,
    {{ memberships }}.scheme,
    {{ memberships }}.segment_key,
    'entered' as change,
    {{ memberships }}.as_of as changed_on,
    'behaviour' as cause
from {{ memberships }}
inner join {{ periods }} on {{ memberships }}.as_of = {{ periods }}.as_of
inner join {{ customer_ids }} on {{ memberships }}.customer_key = {{ customer_ids }}.customer_key
where {{ periods }}.previous_as_of is null
union all
select
    {{ customer_ids }}.customer_id,
    {{ changes }}.scheme,
    {{ changes }}.segment_key,
    {{ changes }}.change,
    {{ changes }}.changed_on,
    {{ changes }}.cause
from {{ changes }}
inner join {{ customer_ids }} on {{ changes }}.customer_key = {{ customer_ids }}.customer_key
{%- endmacro %}


{#- The ids of all who are or were in a segment, as a query: everyone who is eligible is in the current period. -#}
{% macro customer_ids(customers, periods) -%}
select
    {{ customers }}.customer_key,
    {{ customers }}.customer_id
from {{ customers }}
inner join {{ periods }} on {{ customers }}.as_of = {{ periods }}.as_of
where {{ periods }}.is_current
{%- endmacro %}
