-- One row per as_of, customer and scheme where new parameters alone changed the segment: with the parameters of the period
-- before, the customer would still be in the segment of the period before.
--
-- For rfm, value_tier and spend_breaks the customer is scored again with the cut points of the period before. A customer who
-- changes the cluster when a new model comes into force is counted here whatever the old model would have said.

{% set fitted_schemes = ['rfm', 'value_tier', 'spend_breaks', 'cluster', 'journeys'] -%}

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
        {%- for scheme in fitted_schemes %}
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
    where memberships.scheme in ('{{ fitted_schemes | join("', '") }}')  -- noqa: LT05
    group by periods.as_of, memberships.customer_key
),

cuts as (
    {{ cuts_in_force() | indent(4) }}
),

rfm_labels as (
    select * from {{ ref('rfm_labels') }}
),

-- Buyers in both periods who changed a segment while the cut points changed.
changed as (
    select
        customers.*,
        periods.previously_fitted_as_of,
        earlier.rfm as earlier_rfm,
        earlier.value_tier as earlier_value_tier,
        earlier.spend_breaks as earlier_spend_breaks
    from customers
    inner join periods
        on
            customers.as_of = periods.as_of
            and periods.cutpoints_fitted_as_of <> periods.previously_fitted_as_of
    inner join earlier_customers as earlier
        on
            customers.as_of = earlier.as_of
            and customers.customer_key = earlier.customer_key
            and earlier.rfm <> 'prospect'
    where
        customers.rfm <> earlier.rfm
        or customers.value_tier <> earlier.value_tier
        or customers.spend_breaks <> earlier.spend_breaks
),

rescored as (
    select
        changed.*,
        {% for metric, rfm in rfm_metrics().items() if metric != 'monetary' -%}
        {{ rfm_score('changed.' ~ rfm.column, 'cuts.' ~ metric, rfm.worst_to_best) | indent(8) }}
            as {{ metric }}_score_before,
        {% endfor -%}
        {{ value_tier('changed.revenue__365d', 'cuts.high_from', 'cuts.medium_from') | indent(8) }}
            as value_tier_before,
        {{ spend_band('changed.revenue__all', 'cuts.break') | indent(8) }} as spend_breaks_before
    from changed
    inner join cuts on changed.previously_fitted_as_of = cuts.fitted_as_of
),

effects as (
    select
        rescored.as_of,
        rescored.customer_key,
        'rfm' as scheme
    from rescored
    inner join rfm_labels
        on
            rescored.recency_score_before = rfm_labels.recency_score
            and rescored.frequency_score_before = rfm_labels.frequency_score
    where rescored.rfm <> rescored.earlier_rfm and rfm_labels.segment = rescored.earlier_rfm
    {%- for scheme in ['value_tier', 'spend_breaks'] %}
    union all
    select
        as_of,
        customer_key,
        '{{ scheme }}' as scheme
    from rescored
    where {{ scheme }} <> earlier_{{ scheme }} and {{ scheme }}_before = earlier_{{ scheme }}
    {%- endfor %}
    {%- for scheme in ['cluster', 'journeys'] %}
    union all
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
    {%- endfor %}
)

select * from effects
