-- Drift of segment sizes from the baseline, per segment (size_change) and per scheme (chi_square and its effect size,
-- cramers_v).

{% set pair = 'period, baseline, baseline_as_of, scheme, segment_key' -%}

with sums as (
    select * from {{ ref('int_marts__segment_sums') }}
    where is_all_days
),

segments as (
    select * from {{ ref('int_segmentation__segments') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

-- Segments defined today count with 0 when they are empty, as in segment_kpis.
segment_sizes as (
    select
        as_of as period,
        scheme,
        segment_key,
        customers
    from sums
    union all
    select
        periods.as_of as period,
        segments.scheme,
        segments.segment_key,
        0 as customers
    from periods
    cross join segments
),

sizes as (
    select * from segment_sizes
    union all
    select
        period,
        'all' as scheme,
        'all' as segment_key,
        customers
    from segment_sizes
    where scheme = '{{ exclusive_schemes() | first }}'
),

paired as (
    {{ paired_with_baselines('sizes') | indent(4) }}
),

totals as (
    select
        *,
        sum(customers) over scheme_total as all_customers,
        sum(baseline_customers) over scheme_total as all_baseline
    from paired
    where customers + baseline_customers > 0 and scheme not in ('rule', 'all')
    window scheme_total as (partition by period, baseline, scheme)
),

schemes as (
    select
        period,
        baseline,
        baseline_as_of,
        scheme,
        all_customers as customers,
        all_baseline as baseline_customers,
        {{ two_row_chi_square('customers', 'baseline_customers', 'all_customers', 'all_baseline') | indent(8) }}
            as chi_square,
        {{ chi_square_critical_value('(count(*) - 1)') }} as critical_value
    from totals
    where all_customers > 0 and all_baseline > 0
    group by period, baseline, baseline_as_of, scheme, all_customers, all_baseline
),

tests as (
    select
        {{ pair }},
        'customers' as metric,
        'size_change' as test,
        customers,
        baseline_customers,
        customers / cast(nullif(baseline_customers, 0) as double) - 1 as statistic,
        cast(null as boolean) as is_significant
    from paired
    {%- for test, statistic in {
        'chi_square': 'chi_square',
        'cramers_v': 'sqrt(chi_square / (customers + baseline_customers))',
    }.items() %}
    union all
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
        chi_square > critical_value as is_significant
    from schemes
    {%- endfor %}
)

select * from tests
