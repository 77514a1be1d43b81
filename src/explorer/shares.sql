-- A share reveals the count behind it. These counts are withheld as sizes are, and the queries of the pages join what is left.
-- Of outcomes and of experiments the rarer side is counted: a share of nearly all reveals the few others.

-- table: kpi_shares
-- Members who ordered (converted) and who ordered twice (repeated).
with counted as (
    select
        period,
        scheme,
        segment_key,
        unnest(['converted', 'repeated']) as kpi,
        unnest([round(conversion * customers), round(repeat_rate * customers)]) as members
    from segment_kpis
)

select
    counted.period,
    counted.scheme,
    counted.segment_key,
    counted.kpi,
    case when segments.is_exclusive then concat_ws('|', counted.kpi, counted.period, counted.scheme) end as total_1,
    shown_sizes.customers is null as is_secret,
    cast(counted.members as bigint) as customers
from counted
inner join shown_sizes
    on
        counted.period = shown_sizes.period
        and counted.segment_key = shown_sizes.segment_key
left join segments
    on counted.segment_key = segments.segment_key
where counted.members is not null
order by counted.kpi, counted.period, counted.segment_key

-- table: steps
-- Of all customers. Each exclusive scheme adds up to them, so a step withheld here is withheld in all segments.
select
    from_state,
    to_state,
    from_state as total_1,
    transitions as customers
from journey_transitions
where segment_key = 'all'
order by from_state, to_state

-- table: deciles
select
    calibration.target,
    calibration.decile,
    calibration.target as total_1,
    cast(
        round(least(calibration.observed, 1 - calibration.observed) * calibration.customers) as bigint
    ) as customers
from models.prediction_calibration as calibration
inner join models.prediction_models as models
    on
        calibration.target = models.target
        and calibration.fitted_as_of = models.fitted_as_of
        and calibration.candidate = models.model
where models.status = 'in_force'
order by calibration.target, calibration.decile

-- table: effects
-- A metric is a share where each of its means is a whole number of customers.
with means as (
    select
        experiment_id,
        metric,
        unnest([mean, control_mean]) as mean,
        unnest([customers, control_customers]) as customers
    from experiments.experiment_results
),

shares as (
    select
        experiment_id,
        metric
    from means
    where mean is not null
    group by experiment_id, metric
    having
        metric = 'conversion'
        or bool_and(mean between 0 and 1 and abs(mean * customers - round(mean * customers)) < .01)
),

counted as (
    select
        results.experiment_id,
        results.metric,
        results.comparison,
        results.scheme,
        results.segment_key,
        segments.is_exclusive,
        round(results.mean * results.customers) as treated,
        round((1 - results.mean) * results.customers) as treated_others,
        round(results.control_mean * results.control_customers) as control,
        round((1 - results.control_mean) * results.control_customers) as control_others
    from experiments.experiment_results as results
    inner join shares using (experiment_id, metric)
    left join segments
        on results.segment_key = segments.segment_key
    where results.segment_key <> 'all' and results.mean is not null
)

select
    experiment_id,
    metric,
    comparison,
    segment_key,
    case when is_exclusive then concat_ws('|', experiment_id, metric, comparison, scheme) end as total_1,
    -- The smallest that isn't 0; of zeros alone nothing is withheld.
    cast(
        coalesce(
            least(nullif(treated, 0), nullif(treated_others, 0), nullif(control, 0), nullif(control_others, 0)), 0
        ) as bigint
    ) as customers
from counted
order by all
