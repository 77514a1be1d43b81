-- One row per as_of, target and customer asked about: the probability by the model in force, its decile, and the score of the
-- naive rule. Targets without a model in force have no rows.
--
-- Customers are ranked by the score, since a calibration may give many scores one probability.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='as_of',
    on_schema_change='sync_all_columns'
) }}

{% set features = cluster_features('prediction_features') -%}

with features as (
    select * from {{ ref('int_segmentation__customers_scored') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

cutpoints as (
    {{ cuts_in_force() | indent(4) }}
),

parameters as (
    select *
    from {{ ref('int_segmentation__prediction_parameters') }}
    where model <> 'none'
),

asked as (
    {% for name, prediction in predictions().items() -%}
    select
        features.as_of,
        features.customer_key,
        {%- for column in features | map(attribute='column') | unique %}
        features.{{ column }},
        {%- endfor %}
        '{{ name }}' as target,
        {{ prediction.sign }} as naive_sign,
        {{ (features | map(attribute='name') | list).index(prediction.naive_feature) + 1 }} as naive_position
    from features
    left join cutpoints on features.as_of = cutpoints.as_of
    where {{ rule_condition(prediction.who) }}
    {{ 'union all' if not loop.last }}
    {% else -%}
    select
        as_of,
        customer_key,
        {%- for column in features | map(attribute='column') | unique %}
        {{ column }},
        {%- endfor %}
        '' as target,
        1 as naive_sign,
        1 as naive_position
    from features
    where false
    {% endfor %}
),

prepared as (
    select
        asked.as_of,
        asked.customer_key,
        asked.naive_sign,
        asked.naive_position,
        {{ prediction_vector('asked', 'parameters') | indent(8) }} as feature_values,
        parameters.*
    from asked
    inner join periods on asked.as_of = periods.as_of
    inner join parameters
        on
            asked.target = parameters.target
            and periods.models_fitted_as_of = parameters.fitted_as_of
),

scored as (
    select
        *,
        naive_sign * {{ list_element('feature_values', 'naive_position') }} as naive_score,
        case
            when model = 'logistic' then intercept + {{ dot_product('feature_values', 'coefficients') }}
            when trees is not null then baseline + {{ sum_of_leaves('feature_values', 'prepared', 5) }}
            when model = 'naive' then naive_sign * {{ list_element('feature_values', 'naive_position') }}
            else 0
        end as score
    from prepared
),

placed as (
    select
        *,
        {{ count_below('knots_x', 'score') }} as knot
    from scored
),

-- Between two knots of an isotonic calibration the probability is interpolated, beyond them it is that of the nearest.
interpolated as (
    select
        *,
        case
            when sigmoid_a is not null then 1 / (1 + exp(sigmoid_a * score + sigmoid_b))
            when knot = 0 then {{ list_element('knots_y', 1) }}
            when {{ list_element('knots_x', 'knot + 1') }} is null then {{ list_element('knots_y', 'knot') }}
            else
                {{ list_element('knots_y', 'knot') }}
                + ({{ list_element('knots_y', 'knot + 1') }} - {{ list_element('knots_y', 'knot') }})
                * (score - {{ list_element('knots_x', 'knot') }})
                / ({{ list_element('knots_x', 'knot + 1') }} - {{ list_element('knots_x', 'knot') }})
        end as probability
    from placed
),

calibrated as (
    select
        as_of,
        target,
        customer_key,
        fitted_as_of,
        naive_score,
        {{ rounded('score', digits=9) }} as score,
        {{ rounded('probability', digits=9) }} as probability
    from interpolated
),

ranked as (
    select
        *,
        rank() over (partition by as_of, target order by score) - 1 as customers_below,
        count(*) over (partition by as_of, target, score) as customers_alike,
        count(*) over (partition by as_of, target) as customers
    from calibrated
),

scores as (
    select
        as_of,
        target,
        customer_key,
        fitted_as_of,
        naive_score,
        score,
        probability,
        -- Customers of one score share the decile of their middle.
        cast(1 + floor(10 * (customers_below + (customers_alike - 1) / 2) / customers) as integer) as decile,
        {{ rounded('100 * (customers - customers_below - customers_alike) / customers') }} as rank_percent
    from ranked
)

select * from scores
