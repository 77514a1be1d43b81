-- One row per prediction and customer of the test of its model in force: what was predicted, what happened, and the customer's groups.
-- These are of the newest as_of, since attributes of past dates aren't kept; customers who aren't eligible any more are unknown.
--
-- The probability is by the calibration of before the test, and the threshold that of prediction_metrics.

{% set attributes = setting('protected_attributes') -%}

with fit as (
    select fit.*
    from {{ ref('int_segmentation__prediction_fit') }} as fit
    inner join {{ ref('int_periods') }} as periods on fit.as_of = periods.models_fitted_as_of
    where periods.is_current
),

sample as (
    select *
    from {{ ref('int_segmentation__prediction_fit_sample') }}
    where is_test
),

customers as (
    select scored.*
    from {{ ref('int_segmentation__customers_scored') }} as scored
    inner join {{ ref('int_periods') }} as periods on scored.as_of = periods.as_of
    where periods.is_current
),

models as (
    select
        target,
        name as model
    from fit
    where part = 'model'
),

limits as (
    select
        models.target,
        fit.value as threshold
    from models
    inner join fit
        on
            models.target = fit.target
            and models.model = fit.feature
            and fit.part = 'test'
            and fit.name = 'threshold'
),

predicted as (
    select
        target,
        as_of,
        number as customer_key,
        max(case when name = 'score' then value end) as score,
        max(case when name = 'probability' then value end) as probability
    from fit
    where part = 'case'
    group by target, as_of, number
),

final as (
    select
        -- ids
        predicted.target,
        predicted.as_of,
        sample.origin,
        predicted.customer_key,

        -- groups
        {%- for attribute in attributes %}
        coalesce(cast(customers.{{ attribute }} as {{ dbt.type_string() }}), 'unknown') as {{ attribute }},
        {%- endfor %}
        {{ threshold_group('predicted', 'customers') | indent(8) }} as threshold_group,

        -- numbers
        predicted.score,
        predicted.probability,
        limits.threshold,
        sample.outcome
    from predicted
    inner join sample
        on
            predicted.target = sample.target
            and predicted.as_of = sample.as_of
            and predicted.customer_key = sample.customer_key
    inner join limits on predicted.target = limits.target
    left join customers on predicted.customer_key = customers.customer_key
)

select
    *,
    {{ sample_hash([
        'customer_key', 'score', 'probability', 'threshold', 'outcome', 'threshold_group'
    ], 'as_of, target') | indent(4) }} as sample_hash
from final
