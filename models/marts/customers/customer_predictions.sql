-- Reasons are the three features with the largest effect: how much the mean probability changes if a customer has that value instead of
-- one's own, from the fit.

{% set features = cluster_features('prediction_features') -%}

with periods as (
    select *
    from {{ ref('int_periods') }}
    where is_current
),

customers as (
    select scored.*
    from {{ ref('int_segmentation__customers_scored') }} as scored
    inner join periods on scored.as_of = periods.as_of
),

scores as (
    select scores.*
    from {{ ref('int_segmentation__prediction_scores') }} as scores
    inner join periods on scores.as_of = periods.as_of
),

parameters as (
    select parameters.*
    from {{ ref('int_segmentation__prediction_parameters') }} as parameters
    inner join periods on parameters.fitted_as_of = periods.models_fitted_as_of
),

effects as (
    select
        fit.target,
        {%- for feature in features %}
        {{ list_in_order('fit.value', 'fit.number', "fit.name = 'upper' and fit.feature = '" ~ feature.name ~ "'") }}
            as upper_{{ feature.name }},
        {{ list_in_order('fit.value', 'fit.number', "fit.name = 'effect' and fit.feature = '" ~ feature.name ~ "'") }}
            as effect_{{ feature.name }},
        {%- endfor %}
        fit.as_of as fitted_as_of
    from {{ ref('int_segmentation__prediction_fit') }} as fit
    inner join periods on fit.as_of = periods.models_fitted_as_of
    where fit.part = 'effect'
    group by fit.target, fit.as_of
),

thresholds as (
    select * from {{ ref('int_marts__prediction_thresholds') }}
),

prepared as (
    select
        customers.*,
        scores.target,
        scores.score,
        scores.probability,
        scores.decile,
        scores.rank_percent,
        parameters.model,
        parameters.fitted_as_of,
        {{ threshold_group('scores', 'customers') | indent(8) }} as threshold_group,
        {{ prediction_vector('customers', 'parameters') | indent(8) }} as feature_values  -- noqa: LT05
    from scores
    inner join customers on scores.customer_key = customers.customer_key
    inner join parameters on scores.target = parameters.target
),

explained as (
    select
        prepared.*,
        {{ strongest_effects('prepared', 'effects') | indent(8) }} as reasons
    from prepared
    left join effects on prepared.target = effects.target
),

final as (
    select
        -- ids
        explained.customer_id,
        explained.target,
        explained.as_of,
        {{ prediction_model_id('explained') }} as model_id,

        -- numbers
        explained.probability,
        explained.decile,
        explained.rank_percent,

        -- flags
        explained.score >= coalesce(own.score, everyone.score) as is_likely,

        -- words
        cast({{ list_element('explained.reasons', 1) }} as {{ dbt.type_string() }}) as reason_1,
        cast({{ list_element('explained.reasons', 2) }} as {{ dbt.type_string() }}) as reason_2,
        cast({{ list_element('explained.reasons', 3) }} as {{ dbt.type_string() }}) as reason_3
    from explained
    left join thresholds as everyone
        on
            explained.target = everyone.target
            and everyone.threshold_group is null
    left join thresholds as own
        on
            explained.target = own.target
            and explained.threshold_group = own.threshold_group
)

select * from final
