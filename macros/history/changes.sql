{#- Memberships of the first period are entries. All eligible customers are in the current period, which has the ids. -#}
{% macro all_changes() -%}
select
    customers.customer_id,
    changes.scheme,
    changes.segment_key,
    changes.change,
    changes.changed_on,
    changes.cause
from (
    select
        memberships.customer_key,
        memberships.scheme,
        memberships.segment_key,
        'entered' as change,
        memberships.as_of as changed_on,
        'behaviour' as cause
    from {{ ref('int_segmentation__memberships') }} as memberships
    inner join {{ ref('int_periods') }} as periods on memberships.as_of = periods.as_of
    where periods.previous_as_of is null
    union all
    select
        customer_key,
        scheme,
        segment_key,
        change,
        changed_on,
        cause
    from {{ ref('int_segmentation__changes') }}
) as changes
inner join {{ ref('int_segmentation__customers_predicted') }} as customers on changes.customer_key = customers.customer_key
inner join {{ ref('int_periods') }} as current_period on customers.as_of = current_period.as_of
where current_period.is_current
{%- endmacro %}
