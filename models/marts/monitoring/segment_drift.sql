-- Has a segment changed, and does it matter? With many customers every change is significant, so verdicts rest on the size
-- of the effect; with few, a large effect may be chance, so nothing is recommended that two random draws may bring about.
--
-- All is computed from counts. Deciles are those of the baseline: a value is in the bin of the tenth of the baseline that
-- lies below it, so values that many share make one bin, and no quantile has to be looked up. Example: half of the baseline
-- has the value 1; then 1 is in the first bin and everything above it in the sixth or a later one.

{% set limits = setting('drift_limits') -%}
{% set now_share = floored_share('customers', 'all_customers') -%}
{% set baseline_share = floored_share('baseline_customers', 'all_baseline') -%}
{% set pair = 'period, baseline, baseline_as_of, scheme, segment_key' -%}

with distributions as (
    select
        *,
        {{ fitted_by('scheme') | indent(8) }} as fitted_by
    from {{ ref('segment_distributions') }}
),

segment_sizes as (
    select
        period,
        scheme,
        segment_key,
        customers,
        {{ fitted_by('scheme') | indent(8) }} as fitted_by
    from {{ ref('segment_kpis') }}
    union all
    select
        period,
        'all' as scheme,
        'all' as segment_key,
        sum(customers) as customers,
        'models' as fitted_by
    from {{ ref('segment_kpis') }}
    where scheme = '{{ exclusive_schemes() | first }}'
    group by period
),

cluster_moves as (
    select
        period,
        scheme,
        from_segment,
        customers,
        from_segment = to_segment as is_kept
    from {{ ref('segment_transitions') }}
    where
        scheme in ('cluster', 'journeys')
        and from_segment not in ('outside', 'cluster:prospect')
        and to_segment <> 'outside'
),

centroids as (
    select
        models.fitted_as_of,
        models.scheme,
        models.scheme || ':' || centroids.cluster_key as segment_key,
        centroids.feature,
        centroids.value
    from {{ ref('cluster_centroids') }} as centroids
    inner join {{ ref('cluster_models') }} as models on centroids.model_id = models.model_id
    where models.status <> 'candidate'
),

periods as (
    select * from {{ ref('int_periods') }}
),

-- What each period is held against: the one before it, and the one whose parameters are in force.
baselines as (
    {% for baseline, date, parameters in [
        ('previous', 'previous_as_of', none),
        ('fitted', 'models_fitted_as_of', 'models'),
        ('fitted', 'cutpoints_fitted_as_of', 'cutpoints'),
    ] -%}
    select
        as_of as period,
        '{{ baseline }}' as baseline,
        {{ date }} as baseline_as_of,
        {{ "'" ~ parameters ~ "'" if parameters else 'cast(null as ' ~ dbt.type_string() ~ ')' }} as parameters
    from periods
    where {{ date }} < as_of
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Numbers of members now and then, by value and by segment.
{% for name, source, columns in [
    ('values_of_both', 'distributions', ['metric', 'value']),
    ('sizes_of_both', 'segment_sizes', []),
] -%}
{{ name }} as (
    select
        {{ pair }},
        {% for column in columns -%}
        {{ column }},
        {% endfor -%}
        sum(case when is_now then customers else 0 end) as customers,
        sum(case when is_now then 0 else customers end) as baseline_customers
    from (
        {% for is_now in [true, false] -%}
        select
            baselines.period,
            baselines.baseline,
            baselines.baseline_as_of,
            counted.scheme,
            counted.segment_key,
            {% for column in columns -%}
            counted.{{ column }},
            {% endfor -%}
            counted.customers,
            {{ is_now | lower }} as is_now
        from baselines
        inner join {{ source }} as counted
            on
                baselines.{{ 'period' if is_now else 'baseline_as_of' }} = counted.period
                and coalesce(baselines.parameters, counted.fitted_by) = counted.fitted_by
        {{ 'union all' if is_now }}
        {% endfor -%}
    ) as sides
    group by {{ ([pair] + columns) | join(', ') }}
),

{% endfor -%}

cumulated as (
    select
        *,
        sum(customers) over up_to_value as customers_up_to,
        sum(baseline_customers) over up_to_value as baseline_up_to,
        sum(customers) over whole as all_customers,
        sum(baseline_customers) over whole as all_baseline
    from values_of_both
    window
        whole as (partition by period, baseline, segment_key, metric),
        up_to_value as (
            partition by period, baseline, segment_key, metric
            order by value
        )
),

bins as (
    select
        {{ pair }},
        metric,
        all_customers,
        all_baseline,
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

compared as (
    select
        {{ pair }},
        metric,
        all_customers as customers,
        all_baseline as baseline_customers,
        {{ stability_index(now_share, baseline_share) }} as psi,
        {{ divergence(now_share, baseline_share) }} as kl,
        max(distance) as ks,
        {{ two_row_chi_square('customers', 'baseline_customers', 'all_customers', 'all_baseline') | indent(8) }}
        > {{ chi_square_critical_value('(count(*) - 1)') }} as is_significant
    from bins
    group by {{ pair }}, metric, all_customers, all_baseline
),

scheme_totals as (
    select
        *,
        sum(customers) over scheme_total as all_customers,
        sum(baseline_customers) over scheme_total as all_baseline
    from sizes_of_both
    where customers + baseline_customers > 0
    window scheme_total as (partition by period, baseline, scheme)
),

scheme_changes as (
    select
        period,
        baseline,
        baseline_as_of,
        scheme,
        all_customers as customers,
        all_baseline as baseline_customers,
        {{ two_row_chi_square('customers', 'baseline_customers', 'all_customers', 'all_baseline') | indent(8) }}
            as chi_square,
        {{ chi_square_critical_value('(count(*) - 1)') }} as rare
    from scheme_totals
    where scheme not in ('rule', 'all') and all_customers > 0 and all_baseline > 0
    group by period, baseline, baseline_as_of, scheme, all_customers, all_baseline
),

kept as (
    select
        period,
        scheme,
        segment_key,
        sum(customers) as customers,
        sum(case when is_kept then customers else 0 end) as stayers
    from (
        select
            period,
            scheme,
            from_segment as segment_key,
            customers,
            is_kept
        from cluster_moves
        union all
        select
            period,
            scheme,
            'all' as segment_key,
            customers,
            is_kept
        from cluster_moves
    ) as moves
    group by period, scheme, segment_key
),

successive_models as (
    select
        scheme,
        fitted_as_of,
        lag(fitted_as_of) over (partition by scheme order by fitted_as_of) as earlier_fitted_as_of
    from (
        select distinct
            scheme,
            fitted_as_of
        from centroids
    ) as fits
),

moved_centres as (
    select
        now.fitted_as_of as period,
        now.scheme,
        now.segment_key,
        earlier.fitted_as_of as baseline_as_of,
        sqrt(sum(power(now.value - earlier.value, 2))) as distance
    from centroids as now
    inner join successive_models
        on
            now.scheme = successive_models.scheme
            and now.fitted_as_of = successive_models.fitted_as_of
    inner join centroids as earlier
        on
            successive_models.earlier_fitted_as_of = earlier.fitted_as_of
            and now.segment_key = earlier.segment_key
            and now.feature = earlier.feature
    group by now.fitted_as_of, now.scheme, now.segment_key, earlier.fitted_as_of
),

measured as (
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
    union all
    {% endfor -%}
    {% for test, statistic in {
        'chi_square': 'chi_square',
        'cramers_v': 'sqrt(chi_square / (customers + baseline_customers))',
    }.items() -%}
    select
        period,
        baseline,
        baseline_as_of,
        scheme,
        'all' as segment_key,
        scheme as metric,
        '{{ test }}' as test,
        customers,
        baseline_customers,
        {{ statistic }} as statistic,
        chi_square > rare as is_significant
    from scheme_changes
    union all
    {% endfor -%}
    select
        {{ pair }},
        'customers' as metric,
        'size_change' as test,
        customers,
        baseline_customers,
        customers / cast(nullif(baseline_customers, 0) as double) - 1 as statistic,
        null as is_significant
    from sizes_of_both
    union all
    select
        kept.period,
        'previous' as baseline,
        periods.previous_as_of as baseline_as_of,
        kept.scheme,
        kept.segment_key,
        kept.scheme as metric,
        'kept' as test,
        kept.stayers as customers,
        kept.customers as baseline_customers,
        kept.stayers / cast(kept.customers as double) as statistic,
        null as is_significant
    from kept
    inner join periods on kept.period = periods.as_of
    union all
    select
        period,
        'fitted' as baseline,
        baseline_as_of,
        scheme,
        segment_key,
        'centre' as metric,
        'centroid_distance' as test,
        null as customers,
        null as baseline_customers,
        distance as statistic,
        null as is_significant
    from moved_centres
),

limited as (
    select
        *,
        case test
            {%- for test, limit in limits.items() %}
            when '{{ test }}' then {{ limit[0] }}
            {%- endfor %}
        end as moderate_from,
        case test
            {%- for test, limit in limits.items() %}
            when '{{ test }}' then {{ limit[1] }}
            {%- endfor %}
        end as threshold
    from measured
),

judged as (
    select
        *,
        case
            when threshold is null then 'info'
            when least(customers, baseline_customers) < {{ setting('min_drift_customers') }} then 'too_few'
            when abs(statistic) < moderate_from then 'stable'
            when abs(statistic) < threshold then 'moderate'
            else 'drifted'
        end as verdict
    from limited
),

final as (
    select
        -- ids
        judged.period,
        judged.segment_key,
        judged.metric,
        judged.test,
        judged.baseline,

        -- numbers
        cast(judged.customers as bigint) as customers,
        cast(judged.baseline_customers as bigint) as baseline_customers,
        {{ rounded('judged.statistic') }} as statistic,
        cast(judged.threshold as double) as threshold,

        -- words
        judged.verdict,
        case
            when judged.verdict <> 'drifted' then 'nothing'
            when not judged.is_significant then 'nothing: chance alone may do as much'
            when
                judged.test <> 'size_change'
                and judged.scheme in ('cluster', 'journeys')
                and judged.period = periods.models_fitted_as_of
                then 'nothing: the clusters were fitted anew'
            when
                judged.test <> 'size_change'
                and judged.scheme in ('{{ fitted_schemes().items() | selectattr(1, 'equalto', 'cutpoints') | map('first') | join("', '") }}')
                and judged.period = periods.cutpoints_fitted_as_of
                then 'nothing: its limits were fitted anew'
            when judged.baseline = 'previous' then 'look at the data: so much seldom changes at once'
            when {{ fitted_by('judged.scheme') | indent(16) }} = 'models'
                then
                    'refit: add the row ' || cast(judged.period as {{ dbt.type_string() }}) || ',refit,'
                    || judged.metric || ' drifted to the seed refits'
            else 'recalibrate: fit cut points more often (var refit_cutpoints)'
        end as recommendation,

        -- flags
        judged.is_significant,

        -- dates
        judged.baseline_as_of
    from judged
    inner join periods on judged.period = periods.as_of
)

select * from final
