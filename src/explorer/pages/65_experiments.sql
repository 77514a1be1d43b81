-- table: experiments
-- Small segments are withheld in the mart already, with the segments that they would follow from.
select
    experiment_id,
    metric,
    comparison,
    kind,
    scheme,
    segment_key,
    verdict,
    hypothesis,
    status,
    is_primary,
    starts_on,
    ends_on,
    least(customers, control_customers) as customers,
    customers as treated,
    control_customers,
    mean,
    control_mean,
    effect,
    effect_low,
    effect_high,
    p_corrected,
    detectable_effect
from experiments.experiment_results
order by experiment_id, is_primary desc, metric, comparison, scheme, segment_key

-- table: experiment_checks
select
    checks.experiment_id,
    checks.check_name,
    checks.part,
    checks.status,
    case
        when checks.check_name in ('mismatch', 'balance', 'measured_share', 'effect_by_week') then checks.verdict
        when checks.value = 0 or checks.value >= data_set.smallest_cell then checks.verdict
        else 'fewer than ' || data_set.smallest_cell || ' left out'
    end as verdict
from experiments.experiment_checks as checks
cross join monitoring.data_set
order by checks.experiment_id, checks.status desc, checks.check_name, checks.part

-- table: campaign_comparisons
select
    campaign_id,
    metric,
    verdict,
    contacted_on,
    least(contacted, others) as customers,
    effect,
    effect_low,
    effect_high,
    placebo,
    placebo_low,
    placebo_high
from experiments.campaign_comparisons
order by contacted_on desc, campaign_id, metric
