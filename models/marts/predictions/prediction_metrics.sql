-- Test and folds of each fit, and the live scores of what was predicted at each origin, as outcomes come in.

{% set of_model_alone = ['customers', 'positives', 'brier', 'mean_probability', 'observed_share'] -%}

with fit as (
    select * from {{ ref('int_segmentation__prediction_fit') }}
),

live_scores as (
    select * from {{ ref('int_segmentation__prediction_live_scores') }}
),

test_origins as (
    select
        target,
        as_of as fitted_as_of,
        cast(feature as date) as origin
    from fit
    where part = 'origin' and name = 'test'
),

in_fits as (
    select
        fit.target,
        fit.as_of as fitted_as_of,
        fit.part as evaluation,
        case when fit.part = 'test' then test_origins.origin end as origin,
        fit.number as fold,
        'all' as segment_key,
        fit.feature as candidate,
        {{ regex_replace('fit.name', '_(low|high)$', '') }} as metric,
        max(case when not {{ regex_matches('fit.name', '_(low|high)$') }} then fit.value end) as value,
        max(case when {{ regex_matches('fit.name', '_low$') }} then fit.value end) as low,
        max(case when {{ regex_matches('fit.name', '_high$') }} then fit.value end) as high
    from fit
    left join test_origins
        on
            fit.target = test_origins.target
            and fit.as_of = test_origins.fitted_as_of
    where fit.part in ('test', 'fold')
    group by fit.target, fit.as_of, fit.part, test_origins.origin, fit.number, fit.feature, metric
),

while_in_force as (
    {% for metric in of_model_alone + ['average_precision', 'roc_auc'] -%}
    select
        target,
        fitted_as_of,
        'live' as evaluation,
        origin,
        null as fold,
        segment_key,
        case when scorer = 'in_force' then model else 'naive_rule' end as candidate,
        '{{ metric }}' as metric,
        cast({{ metric }} as double) as value,
        null as low,
        null as high
    from live_scores
    where {{ metric }} is not null{{ " and scorer = 'in_force'" if metric in of_model_alone }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

all_metrics as (
    select * from in_fits
    union all
    select * from while_in_force
),

final as (
    select
        -- ids
        target,
        fitted_as_of,
        evaluation,
        origin,
        cast(fold as integer) as fold,
        segment_key,
        candidate,
        metric,

        -- numbers
        value,
        low,
        high
    from all_metrics
)

select * from final
