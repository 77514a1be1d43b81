{% macro eligible_references() -%}
select
    customer_references.source_system,
    customer_references.customer_ref,
    customer_references.customer_key
from {{ ref('int_identity__references') }} as customer_references
inner join {{ ref('int_identity__customers_resolved') }} as customers
    on customer_references.customer_key = customers.customer_key
where not customers.is_excluded
{%- endmacro %}
