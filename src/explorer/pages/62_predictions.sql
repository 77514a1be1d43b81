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

-- table: prediction_curves
-- Of the candidate in force readers know the tenths above: where these are withheld, so are the points of its curve.
with models as (
    select
        prediction_models.target,
        prediction_models.fitted_as_of,
        prediction_models.model,
        prediction_models.test_rows,
        prediction_models.test_positives,
        prediction_models.test_rows - prediction_models.test_positives as test_negatives,
        data_set.smallest_cell
    from models.prediction_models
    cross join monitoring.data_set
    where
        prediction_models.status = 'in_force'
        and prediction_models.test_positives >= data_set.smallest_cell
        and prediction_models.test_rows - prediction_models.test_positives >= data_set.smallest_cell
),

tenths as (
    select
        models.target,
        calibration.candidate,
        calibration.decile,
        sum(calibration.customers) over likeliest as addressed,
        sum(round(calibration.observed * calibration.customers)) over likeliest as positives,
        -- Numbers of tenths fall along the curve. Where a tenth is too small, all are withheld.
        max(case when shown_deciles.customers is null then calibration.decile end) over target as first_withheld,
        min(case when shown_deciles.customers is null then calibration.decile end) over target as last_withheld,
        min(calibration.customers) over target < models.smallest_cell as is_small
    from models.prediction_calibration as calibration
    inner join models
        on
            calibration.target = models.target
            and calibration.fitted_as_of = models.fitted_as_of
            and calibration.candidate = models.model
    inner join shown_deciles
        on
            calibration.target = shown_deciles.target
            and calibration.decile = shown_deciles.decile
    window
        likeliest as (partition by calibration.target order by calibration.decile desc),
        target as (partition by calibration.target)
),

known as (
    select
        target,
        candidate,
        cast(addressed as bigint) as addressed,
        cast(positives as bigint) as positives
    from tenths
    where not is_small and (first_withheld is null or decile > first_withheld or decile <= last_withheld)
),

-- The stretch of the curve without points.
stretches as (
    select
        target,
        candidate,
        case when bool_or(is_small) then 0 else coalesce(max(case when decile > first_withheld then addressed end), 0) end
            as from_addressed,
        case
            when bool_or(is_small) then max(addressed)
            else coalesce(max(case when decile = last_withheld then addressed end), 0)
        end as to_addressed
    from tenths
    group by target, candidate
),

points as (
    select
        curves.target,
        curves.candidate,
        curves.customers as addressed,
        cast(round(curves.recall * models.test_positives) as bigint) as positives,
        known.addressed is not null as is_known
    from models.prediction_curves as curves
    inner join models
        on
            curves.target = models.target
            and curves.fitted_as_of = models.fitted_as_of
    left join stretches
        on
            curves.target = stretches.target
            and curves.candidate = stretches.candidate
    left join known
        on
            curves.target = known.target
            and curves.candidate = known.candidate
            and curves.customers = known.addressed
            and round(curves.recall * models.test_positives) = known.positives
    where
        stretches.target is null
        or curves.customers <= stretches.from_addressed
        or curves.customers >= stretches.to_addressed
    union
    select
        target,
        candidate,
        addressed,
        positives,
        true as is_known
    from known
)

select
    points.target,
    points.candidate,
    points.candidate = models.model as is_in_force,
    concat_ws('|', points.target, points.candidate) as curve,
    points.positives as count_1,
    points.addressed - points.positives as count_2,
    points.is_known,
    points.addressed / models.test_rows as addressed,
    points.positives / models.test_positives as recall,
    (points.addressed - points.positives) / models.test_negatives as false_positive_rate,
    points.positives / nullif(points.addressed, 0) as "precision"
from points
inner join models
    on points.target = models.target
order by points.target, points.candidate, points.addressed, points.positives
