-- One row per as_of, customer and scheme whose segment changed only because of new parameters: with those of the previous
-- period, the customer would still be in the previous segment.
--
-- For schemes with cut points, customers are segmented again with the previous cut points. When a new model comes into force, a
-- change of cluster always counts, without asking the old model; so does a change in a scheme whose rules name figures of a
-- model, such as the expected value.

{% set fitted = fitted_schemes() -%}
{% set by_cutpoints = fitted.items() | selectattr(1, 'equalto', 'cutpoints') | map('first') | list -%}
{% set by_models = fitted.items() | selectattr(1, 'equalto', 'models') | map('first') | list -%}
{% set declared, columns, by_new_models = {}, [], by_models | list -%}
{% for name, scheme in schemes().items() if scheme.is_fitted -%}
{% do declared.update({name: scheme}) -%}
{% do by_new_models.append(name) if scheme.reads_models -%}
{% for condition in scheme.conditions if condition.kind != 'segment' -%}
{% do columns.extend([condition.column] + condition.get('windows', []) | map(attribute='column') | list) -%}
{% endfor -%}
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

-- Customers of the previous period, by their segments then: its features may be gone.
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

-- Customers of both periods whose segment changed along with the cut points. Null means none.
changed as (
    select
        {%- for scheme in by_cutpoints %}
        earlier.{{ scheme }} as earlier_{{ scheme }},
        {%- endfor %}
        customers.*
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
        customers.rfm is distinct from earlier.rfm
        {%- for scheme in by_cutpoints if scheme != 'rfm' %}
        or customers.{{ scheme }} is distinct from earlier.{{ scheme }}
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
        {%- for scheme in by_cutpoints %}
        rescored.{{ scheme }} as {{ scheme }}_now,
        rescored.earlier_{{ scheme }},
        {%- endfor %}
        {%- for column in columns %}
        rescored.{{ column }},
        {%- endfor %}
        {%- for scheme in by_models %}
        rescored.{{ scheme }},
        {%- endfor %}
        coalesce(rescored.non_buyer, rfm_labels.segment) as rfm,
        coalesce(rescored.non_buyer, rescored.spend_breaks_before) as spend_breaks,
        rescored.non_buyer,
        rescored.customer_key,
        rescored.as_of
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
    where
        {{ scheme }}_now is distinct from earlier_{{ scheme }}
        and {{ scheme }} is not distinct from earlier_{{ scheme }}
    union distinct
    {% endfor -%}
    {% for scheme in by_new_models -%}
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
            and earlier.{{ scheme }} not in ('{{ non_buyer_segments() | join("', '") }}')  -- noqa: LT05
    where customers.{{ scheme }} <> earlier.{{ scheme }}
    {{ 'union distinct' if not loop.last }}
    {% endfor %}
)

select * from effects
