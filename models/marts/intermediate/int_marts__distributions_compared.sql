-- Drift of the members' values from the baseline: psi, kl and ks.
--
-- All tests are computed from counts. Bins are the baseline's deciles: the share of the baseline below a value decides its
-- bin, so a frequent value fills one bin, and no quantile has to be looked up. Example: half of the baseline has the value 1;
-- then 1 is in the first bin and everything above it in the sixth or a later one.
--
-- A bin with less than 5% of the baseline joins the one below it: in an almost empty bin a few customers would weigh as much as
-- many elsewhere. The first bin always has a tenth.

{% set pair = 'period, baseline, baseline_as_of, scheme, segment_key' -%}

with distributions as (
    select * from {{ ref('segment_distributions') }}
),

paired as (
    {{ paired_with_baselines('distributions', ['metric', 'value']) | indent(4) }}
),

cumulated as (
    select
        *,
        sum(customers) over up_to_value as customers_up_to,
        sum(baseline_customers) over up_to_value as baseline_up_to,
        sum(customers) over whole as all_customers,
        sum(baseline_customers) over whole as all_baseline
    from paired
    window
        whole as (partition by period, baseline, segment_key, metric),
        up_to_value as (
            partition by period, baseline, segment_key, metric
            order by value
        )
),

deciles as (
    select
        {{ pair }},
        metric,
        all_customers,
        all_baseline,
        least(floor(10 * (baseline_up_to - baseline_customers) / cast(all_baseline as double)), 9) as decile,
        sum(customers) as customers,
        sum(baseline_customers) as baseline_customers,
        max(abs(
            customers_up_to / cast(all_customers as double) - baseline_up_to / cast(all_baseline as double)
        )) as distance
    from cumulated
    where all_customers > 0 and all_baseline > 0
    group by
        {{ pair }}, metric, all_customers, all_baseline,
        least(floor(10 * (baseline_up_to - baseline_customers) / cast(all_baseline as double)), 9)
),

filled_deciles as (
    select
        *,
        case when baseline_customers >= 0.05 * all_baseline then decile end as filled_decile
    from deciles
),

binned as (
    select
        *,
        max(filled_decile) over (
            partition by period, baseline, segment_key, metric
            order by decile
        ) as bin
    from filled_deciles
),

bins as (
    select
        {{ pair }},
        metric,
        all_customers,
        all_baseline,
        sum(customers) as customers,
        sum(baseline_customers) as baseline_customers,
        max(distance) as distance
    from binned
    group by {{ pair }}, metric, all_customers, all_baseline, bin
),

shares as (
    select
        *,
        -- The floor keeps the logarithms finite.
        greatest(customers / cast(all_customers as double), 0.0001) as share,
        greatest(baseline_customers / cast(all_baseline as double), 0.0001) as baseline_share
    from bins
),

compared as (
    select
        {{ pair }},
        metric,
        all_customers as customers,
        all_baseline as baseline_customers,
        -- Siddiqi, Credit Risk Scorecards (2006): the Kullback-Leibler divergence both ways (Jeffreys 1946).
        sum((share - baseline_share) * ln(share / baseline_share)) as psi,
        -- Kullback and Leibler (1951), in nats.
        sum(share * ln(share / baseline_share)) as kl,
        max(distance) as ks,
        {{ two_row_chi_square('customers', 'baseline_customers', 'all_customers', 'all_baseline') | indent(8) }}
        > {{ chi_square_critical_value('(count(*) - 1)') }} as is_significant
    from shares
    group by {{ pair }}, metric, all_customers, all_baseline
),

tests as (
    {% for test, is_significant in {
        'psi': 'is_significant',
        'kl': 'is_significant',
        'ks': 'ks > 2.4704 * sqrt(1 / cast(customers as double) + 1 / cast(baseline_customers as double))',
    }.items() -%}
    select
        {{ pair }},
        metric,
        '{{ test }}' as test,
        customers,
        baseline_customers,
        {{ test }} as statistic,
        {{ is_significant }} as is_significant
    from compared
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from tests
