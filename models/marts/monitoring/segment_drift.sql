-- Has a segment changed, and does it matter? With many customers every change is significant, so verdicts rest on effect
-- size; with few, a large effect may be sampling noise, so only significant drift gets a recommendation.
--
-- A metric that defines a segment follows the segment's limits: promising customers ordered lately by definition. So it is judged
-- only where it is no part of the definition, as among all customers.

{% set limits = setting('drift_limits') -%}
{% set by_cutpoints = fitted_schemes().items() | selectattr(1, 'equalto', 'cutpoints') | map('first') | list -%}

with periods as (
    select * from {{ ref('int_periods') }}
),

measured as (
    {% for compared in ['distributions', 'sizes', 'clusters'] -%}
    select * from {{ ref('int_marts__' ~ compared ~ '_compared') }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
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
            {%- for metric, defined in segments_defined_by().items() %}
            when
                metric = '{{ metric }}'
                and (
                    scheme in ('{{ defined.schemes | join("', '") }}')  -- noqa: LT05
                    {%- if defined.segments %}
                    or segment_key in ('{{ defined.segments | join("', '") }}')  -- noqa: LT05
                    {%- endif %}
                )
                then 'defined_by'
            {%- endfor %}
            when least(customers, baseline_customers) < {{ setting('min_drift_customers') }} then 'too_few'
            when abs(statistic) < moderate_from then 'stable'
            when abs(statistic) < threshold then 'moderate'
            else 'drifted'
        end as verdict
    from limited
),

advised as (
    select
        judged.*,
        case
            when judged.verdict <> 'drifted' then 'none'
            when not judged.is_significant then 'none: within sampling noise'
            when
                judged.test <> 'size_change'
                and judged.scheme in ('cluster', 'journeys')
                and judged.period = periods.models_fitted_as_of
                then 'none: the clusters were refitted'
            when
                judged.metric like 'probability_of_%'
                and judged.baseline = 'previous'
                and judged.period = periods.models_fitted_as_of
                then 'none: the prediction was refitted'
            when
                judged.test <> 'size_change'
                and judged.scheme in ('{{ by_cutpoints | join("', '") }}')  -- noqa: LT05
                and judged.period = periods.cutpoints_fitted_as_of
                then 'none: the cut points were refitted'
            when judged.baseline = 'previous' then 'sudden'
            when {{ fitted_by('judged.scheme') | indent(16) }} = 'models'
                then
                    'refit: add this row to the seed refits: ' || cast(judged.period as {{ dbt.type_string() }})
                    || ',refit,' || judged.metric || ' drifted'
            else 'recalibrate: refit the cut points more often (var refit_cutpoints)'
        end as recommendation
    from judged
    inner join periods on judged.period = periods.as_of
),

-- Faulty data shows in several places at once. The segments of an exclusive scheme share the same customers, so their sizes are
-- one place.
sudden_changes as (
    select
        period,
        count(distinct case
            when metric in ('customers', scheme) and scheme <> 'rule' then scheme
            else segment_key
        end) as places
    from advised
    where recommendation = 'sudden'
    group by period
),

final as (
    select
        -- ids
        advised.period,
        advised.segment_key,
        advised.metric,
        advised.test,
        advised.baseline,

        -- numbers
        cast(advised.customers as bigint) as customers,
        cast(advised.baseline_customers as bigint) as baseline_customers,
        {{ rounded('advised.statistic') }} as statistic,
        cast(advised.threshold as double) as threshold,

        -- words
        advised.verdict,
        case
            when advised.recommendation <> 'sudden' then advised.recommendation
            when sudden_changes.places > 1
                then 'check the source data: other segments changed suddenly at the same time'
            else 'review it: no other segment changed suddenly at the same time'
        end as recommendation,

        -- flags
        advised.is_significant,

        -- dates
        advised.baseline_as_of
    from advised
    left join sudden_changes on advised.period = sudden_changes.period
)

select * from final
