-- Gates that a segment failed at the newest as_of. The share gate skips empty segments and outliers: few outliers are a good
-- sign. Segments that are no longer defined, such as a cluster of the previous model, get no warnings.

{% set least_share, least_ratio = setting('min_segment_share'), setting('min_fairness_ratio') -%}
{% set attributes = [] -%}
{% for name, scheme in schemes().items() if scheme.attribute -%}
{% do attributes.append([name, scheme.attribute]) -%}
{% endfor -%}

with kpis as (
    select * from {{ ref('segment_kpis') }}
),

segments as (
    select segment_key from {{ ref('int_segmentation__segments') }}
    union all
    select 'all' as segment_key
),

drift as (
    select segment_drift.*
    from {{ ref('segment_drift') }} as segment_drift
    inner join segments on segment_drift.segment_key = segments.segment_key
),

coverage as (
    select * from {{ ref('source_coverage') }}
),

periods as (
    select * from {{ ref('int_periods') }}
    where is_current
),

small_segments as (
    select
        kpis.segment_key,
        'segment_share' as gate,
        'has ' || {{ counted('kpis.customers', 'member') }} || ', '
        || {{ percent_beside_limit('kpis.buyer_share', 'kpis.buyer_share', least_share) | indent(8) }}
        || ' of the buyers, expected more than '
        || {{ percent_beside_limit(least_share, 'kpis.buyer_share', least_share) | indent(8) }} as warning
    from kpis
    inner join periods on kpis.period = periods.as_of
    where
        kpis.scheme <> 'rule'
        and kpis.customers > 0
        and kpis.segment_key not in ('cluster:outlier', 'journeys:outlier')
        and kpis.buyer_share <= {{ least_share }}
),

-- A segment that lost nearly all its members is too small for a drift verdict, yet most urgent to report.
size_changes as (
    select
        drift.segment_key,
        'size_change' as gate,
        'has ' || {{ counted('drift.customers', 'member') }} || ', compared with ' || drift.baseline_customers || ' on '
        || drift.baseline_as_of || ', expected a change of at most ' || {{ percent_words('drift.threshold') }}
            as warning
    from drift
    inner join periods on drift.period = periods.as_of
    where
        drift.test = 'size_change'
        and drift.baseline = 'previous'
        and abs(drift.statistic) >= drift.threshold
        and greatest(drift.customers, drift.baseline_customers) >= {{ var('min_drift_customers') }}
),

drifts as (
    select
        drift.*,
        row_number() over (
            partition by drift.segment_key
            order by drift.statistic / drift.threshold desc, drift.metric asc, drift.test asc, drift.baseline asc
        ) as position
    from drift
    inner join periods on drift.period = periods.as_of
    where
        drift.test <> 'size_change'
        and drift.recommendation not like 'none%'
),

largest_drifts as (
    select
        segment_key,
        'drift' as gate,
        'drifted in ' || metric || ' since ' || baseline_as_of || ': ' || test || ' is '
        || {{ text_beside_limit('statistic', 'statistic', 'threshold') | indent(8) }} || ', expected less than '
        || {{ text_beside_limit('threshold', 'statistic', 'threshold') | indent(8) }}
        || '; ' || recommendation as warning
    from drifts
    where position = 1
),

attributes as (
    {{ inline_rows({'scheme': 'string', 'attribute': 'string'}, attributes) | indent(4) }}
),

little_known as (
    select
        kpis.segment_key,
        'coverage' as gate,
        'depends on ' || replace(attributes.attribute, '_', ' ') || ', which is known for '
        || {{ percent_words('coverage.value') }} || ' of the buyers' as warning
    from kpis
    inner join periods on kpis.period = periods.as_of
    inner join attributes on kpis.scheme = attributes.scheme
    inner join coverage on attributes.attribute || '_known' = coverage.check_name
    where
        kpis.customers > 0
        and {{ is_of_buyers('kpis') }}
        and coverage.verdict = 'warn'
),

-- The farther a ratio is from 1, up or down, the worse. Of two groups one is as far below as the other is above: the first is named. How many
-- are unknown is for the coverage gate: they are no group of people.
unequal as (
    select
        fairness.*,
        count(*) over (partition by fairness.segment_key) as unequal_groups,
        row_number() over (
            partition by fairness.segment_key
            order by
                least(
                    fairness.parity_ratio,
                    case when fairness.parity_ratio > 0 then 1 / fairness.parity_ratio end
                ) asc nulls first,
                fairness.parity_ratio asc nulls last,
                fairness.attribute asc,
                fairness.attribute_group asc
        ) as position
    from {{ ref('segment_fairness') }} as fairness
    where
        fairness.verdict in ('under-represented', 'over-represented')
        and fairness.attribute_group <> 'unknown'
),

most_unequal as (
    select
        segment_key,
        'fairness' as gate,
        case
            when parity_ratio = 0 then 'has no members of '
            else replace(verdict, 'represented', 'represents') || ' '
        end
        || replace(attribute, '_', ' ') || ' ' || attribute_group
        || case
            when parity_ratio is null then ': no others are members'
            when parity_ratio = 0 then ''
            else
                ': members '
                || {{ text_beside_limit('parity_ratio', 'parity_ratio', least_ratio) | indent(16) }}
                || ' times as often as others, expected {{ least_ratio }} to {{ (1 / least_ratio) | round(2) }}'
        end
        || case
            when unequal_groups > 1 then '; and ' || {{ counted('unequal_groups - 1', 'more group') }}
            else ''
        end as warning
    from unequal
    where position = 1
),

final as (
    {% for found in ['small_segments', 'size_changes', 'largest_drifts', 'little_known', 'most_unequal'] -%}
    select
        segment_key,
        gate,
        warning
    from {{ found }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from final
