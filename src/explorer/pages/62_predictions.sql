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
    case
        when
            verdict in ('in_force', 'naive_stays')
            and least(test_rows, test_positives, test_rows - test_positives) >= data_set.smallest_cell
            then why
    end as why,
    fitted_as_of,
    test_origin,
    test_rows as customers
from models.prediction_models
cross join monitoring.data_set
where status = 'in_force'
order by target

-- table: prediction_tests
-- The measures of the base rate reveal how many outcomes there were.
select
    metrics.target,
    metrics.candidate,
    metrics.candidate = models.model as is_in_force,
    -- With no case of either kind there are too few of it as well.
    greatest(least(models.test_positives, models.test_rows - models.test_positives), 1) as customers,
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
group by metrics.target, metrics.candidate, models.model, models.test_positives, models.test_rows
order by metrics.target, average_precision desc, metrics.candidate

-- table: prediction_deciles
select
    calibration.target,
    calibration.decile,
    calibration.target as total_1,
    shown_deciles.customers is null as is_secret,
    calibration.customers,
    calibration.predicted,
    calibration.observed
from models.prediction_calibration as calibration
inner join models.prediction_models as models
    on
        calibration.target = models.target
        and calibration.fitted_as_of = models.fitted_as_of
        and calibration.candidate = models.model
inner join shown_deciles
    on
        calibration.target = shown_deciles.target
        and calibration.decile = shown_deciles.decile
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
    case
        when
            observed * customers not between .5 and data_set.smallest_cell - .5
            and (1 - observed) * customers not between .5 and data_set.smallest_cell - .5
            then observed
    end as observed
from live
cross join monitoring.data_set
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
