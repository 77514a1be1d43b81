-- Has a segment changed, and does it matter? With many customers every change is significant, so verdicts rest on effect
-- size; with few, a large effect may be sampling noise, so only significant drift gets a recommendation.

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
            when judged.verdict <> 'drifted' then 'none'
            when not judged.is_significant then 'none: within sampling noise'
            when
                judged.test <> 'size_change'
                and judged.scheme in ('cluster', 'journeys')
                and judged.period = periods.models_fitted_as_of
                then 'none: the clusters were refitted'
            when
                judged.test <> 'size_change'
                and judged.scheme in ('{{ by_cutpoints | join("', '") }}')  -- noqa: LT05
                and judged.period = periods.cutpoints_fitted_as_of
                then 'none: the cut points were refitted'
            when judged.baseline = 'previous' then 'check the source data: a sudden change of this size is unusual'
            when {{ fitted_by('judged.scheme') | indent(16) }} = 'models'
                then
                    'refit: add this row to the seed refits: ' || cast(judged.period as {{ dbt.type_string() }})
                    || ',refit,' || judged.metric || ' drifted'
            else 'recalibrate: refit the cut points more often (var refit_cutpoints)'
        end as recommendation,

        -- flags
        judged.is_significant,

        -- dates
        judged.baseline_as_of
    from judged
    inner join periods on judged.period = periods.as_of
)

select * from final
