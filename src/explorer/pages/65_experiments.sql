-- table: experiments
-- Small segments are withheld in the mart already, with the segments that they would follow from. Shares of too few are so here.
select
    results.experiment_id,
    results.metric,
    results.comparison,
    results.kind,
    results.scheme,
    results.segment_key,
    case
        when effects.segment_key is not null and effects.customers is null
            then
                'withheld: a share of fewer than ' || data_set.smallest_cell || ' customers, here or in the segment that could be '
                || 'computed from this one'
        else results.verdict
    end as verdict,
    results.hypothesis,
    results.status,
    results.is_primary,
    results.starts_on,
    results.ends_on,
    effects.segment_key is not null and effects.customers is null as is_secret,
    least(results.customers, results.control_customers) as customers,
    results.customers as treated,
    results.control_customers,
    results.mean,
    results.control_mean,
    results.effect,
    results.effect_low,
    results.effect_high,
    results.p_corrected,
    results.detectable_effect
from experiments.experiment_results as results
left join shown_effects as effects
    on
        results.experiment_id = effects.experiment_id
        and results.metric = effects.metric
        and results.comparison = effects.comparison
        and results.segment_key = effects.segment_key
cross join monitoring.data_set
order by
    results.experiment_id,
    results.is_primary desc,
    results.metric,
    results.comparison,
    results.scheme,
    results.segment_key

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
