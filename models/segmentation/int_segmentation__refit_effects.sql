-- One row per as_of, customer and scheme where new parameters alone changed the segment: with the parameters of the period
-- before, the customer would still be in the segment of the period before.
--
-- Where cut points decide, the customer is segmented again with those of the period before. A customer who changes the
-- cluster when a new model comes into force is counted here whatever the old model would have said.

{% set fitted = fitted_schemes() -%}
{% set by_cutpoints = fitted.items() | selectattr(1, 'equalto', 'cutpoints') | map('first') | list -%}
{% set by_models = fitted.items() | selectattr(1, 'equalto', 'models') | map('first') | list -%}
{% set declared, columns = {}, [] -%}
{% for name, scheme in schemes().items() if scheme.is_fitted -%}
{% do declared.update({name: scheme}) -%}
{% do columns.extend(scheme.conditions | rejectattr('kind', 'equalto', 'segment') | map(attribute='column')) -%}
{% endfor -%}
{% set columns = columns | unique | list -%}

with customers as (
    select * from {{ ref('int_segmentation__customers_scored') }}
),

periods as (
    select
        as_of,
        previous_as_of,
        is_built,
        cutpoints_fitted_as_of,
        models_fitted_as_of <> lag(models_fitted_as_of) over (order by as_of) as has_new_model,
        lag(cutpoints_fitted_as_of) over (order by as_of) as previously_fitted_as_of
    from {{ ref('int_periods') }}
),

memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

-- The customers of the period before, by the segments they were in then: its features may not be there any more.
earlier_customers as (
    select
        periods.as_of,
        {%- for scheme in fitted %}
        max(
            case
                when memberships.scheme = '{{ scheme }}'
                    then substr(memberships.segment_key, {{ scheme | length + 2 }})
            end
        ) as {{ scheme }},
        {%- endfor %}
        memberships.customer_key
    from memberships
    inner join periods on memberships.as_of = periods.previous_as_of and periods.is_built
    where memberships.scheme in ('{{ fitted | join("', '") }}')  -- noqa: LT05
    group by periods.as_of, memberships.customer_key
),

earlier_cutpoints as (
    {{ cuts_in_force('periods', 'previously_fitted_as_of') | indent(4) }}
),

rfm_labels as (
    select * from {{ ref('rfm_labels') }}
),

-- Customers of both periods who changed a segment while the cut points changed. Null is to be in none.
changed as (
    select
        customers.*,
        {%- for scheme in by_cutpoints %}
        earlier.{{ scheme }} as earlier_{{ scheme }}{{ ',' if not loop.last }}
        {%- endfor %}
    from customers
    inner join periods
        on
            customers.as_of = periods.as_of
            and periods.cutpoints_fitted_as_of <> periods.previously_fitted_as_of
    inner join earlier_customers as earlier
        on
            customers.as_of = earlier.as_of
            and customers.customer_key = earlier.customer_key
    where
        {%- for scheme in by_cutpoints %}
        {{ 'or ' if not loop.first }}customers.{{ scheme }} is distinct from earlier.{{ scheme }}
        {%- endfor %}
),

rescored as (
    select
        changed.*,
        {%- for metric, rfm in rfm_metrics().items() if metric != 'monetary' %}
        {{ rfm_score('changed.' ~ rfm.column, 'earlier_cutpoints.' ~ metric, rfm.worst_to_best) | indent(8) }}
            as {{ metric }}_score_before,
        {%- endfor %}
        {{ spend_band('changed.revenue__all', 'earlier_cutpoints.break') | indent(8) }} as spend_breaks_before
    from changed
    inner join earlier_cutpoints on changed.as_of = earlier_cutpoints.as_of
),

-- Customers by the earlier cut points, under the names that rules of schemes use.
seen_before as (
    select
        rescored.as_of,
        rescored.customer_key,
        rescored.is_buyer,
        {%- for column in columns %}
        rescored.{{ column }},
        {%- endfor %}
        {%- for scheme in by_models %}
        rescored.{{ scheme }},
        {%- endfor %}
        case when rescored.is_buyer then rfm_labels.segment else 'prospect' end as rfm,
        case when rescored.is_buyer then rescored.spend_breaks_before else 'prospect' end as spend_breaks,
        {%- for scheme in by_cutpoints %}
        rescored.{{ scheme }} as {{ scheme }}_now,
        rescored.earlier_{{ scheme }}{{ ',' if not loop.last }}
        {%- endfor %}
    from rescored
    left join rfm_labels
        on
            rescored.recency_score_before = rfm_labels.recency_score
            and rescored.frequency_score_before = rfm_labels.frequency_score
),

resegmented as (
    select
        {%- for name, scheme in declared.items() %}
        {{ scheme_segment(scheme, 'seen_before', 'earlier_cutpoints') | indent(8) }} as {{ name }},
        {%- endfor %}
        seen_before.*
    from seen_before
    inner join earlier_cutpoints on seen_before.as_of = earlier_cutpoints.as_of
),

effects as (
    {% for scheme in by_cutpoints -%}
    select
        as_of,
        customer_key,
        '{{ scheme }}' as scheme
    from resegmented
    where {{ scheme }}_now is distinct from earlier_{{ scheme }} and {{ scheme }} is not distinct from earlier_{{ scheme }}
    union all
    {% endfor -%}
    {% for scheme in by_models -%}
    select
        customers.as_of,
        customers.customer_key,
        '{{ scheme }}' as scheme
    from customers
    inner join periods on customers.as_of = periods.as_of and periods.has_new_model
    inner join earlier_customers as earlier
        on
            customers.as_of = earlier.as_of
            and customers.customer_key = earlier.customer_key
            and earlier.{{ scheme }} <> 'prospect'
    where customers.{{ scheme }} <> earlier.{{ scheme }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from effects
