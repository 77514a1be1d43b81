-- table: predictions
select
    target,
    name,
    description,
    who,
    outcome,
    recommended_action,
    horizon_days,
    model,
    verdict,
    case when verdict in ('in_force', 'naive_stays') then why end as why,
    fitted_as_of,
    test_origin,
    test_rows as customers,
    test_positives
from models.prediction_models
where status = 'in_force'
order by target

-- table: prediction_tests
select
    metrics.target,
    metrics.candidate,
    metrics.candidate = models.model as is_in_force,
    models.test_rows as customers,
    max(case when metrics.metric = 'average_precision' then metrics.value end) as average_precision,
    max(case when metrics.metric = 'average_precision' then metrics.low end) as low,
    max(case when metrics.metric = 'average_precision' then metrics.high end) as high,
    max(case when metrics.metric = 'roc_auc' then metrics.value end) as roc_auc,
    max(case when metrics.metric = 'brier' then metrics.value end) as brier
from models.prediction_metrics as metrics
inner join models.prediction_models as models
    on
        metrics.target = models.target
        and metrics.fitted_as_of = models.fitted_as_of
where models.status = 'in_force' and metrics.evaluation = 'test'
group by metrics.target, metrics.candidate, models.model, models.test_rows
order by metrics.target, average_precision desc, metrics.candidate

-- table: prediction_deciles
select
    calibration.target,
    calibration.decile,
    calibration.target as total_1,
    calibration.customers,
    calibration.predicted,
    calibration.observed
from models.prediction_calibration as calibration
inner join models.prediction_models as models
    on
        calibration.target = models.target
        and calibration.fitted_as_of = models.fitted_as_of
        and calibration.candidate = models.model
where models.status = 'in_force'
order by calibration.target, calibration.decile

-- table: prediction_live
with live as (
    select
        target,
        origin,
        max(case when metric = 'customers' then value end) as customers,
        max(case when metric = 'average_precision' and candidate <> 'naive_rule' then value end) as of_model,
        max(case when metric = 'average_precision' and candidate = 'naive_rule' then value end) as of_naive_rule,
        max(case when metric = 'mean_probability' then value end) as predicted,
        max(case when metric = 'observed_share' then value end) as observed
    from models.prediction_metrics
    where evaluation = 'live' and segment_key = 'all'
    group by target, origin
)

select
    target,
    origin,
    cast(customers as bigint) as customers,
    of_model,
    of_naive_rule,
    predicted,
    observed
from live
order by target, origin

-- table: prediction_features
select
    coefficients.target,
    coefficients.words,
    coefficients.status,
    coefficients.coefficient,
    coefficients.variance_inflation
from models.prediction_coefficients as coefficients
inner join models.prediction_models as models
    on
        coefficients.target = models.target
        and coefficients.fitted_as_of = models.fitted_as_of
where models.status = 'in_force'
order by coefficients.target, abs(coefficients.coefficient) desc nulls last, coefficients.words
