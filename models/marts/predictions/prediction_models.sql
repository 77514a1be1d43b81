-- The dates at which models were fitted, with and without enough to fit on. A target whose history is shorter than two horizons has
-- one row that says so.

{% set group_thresholds, targets = setting('group_thresholds'), [] -%}
{% for name, one in predictions().items() -%}
{% set own = group_thresholds.get(name) -%}
{% do targets.append([
    name, one.title, one.description, one.who_words, one.outcome_words, one.recommended_action,
    own.attribute ~ ' (' ~ own.constraint ~ ')' if own else none, one.horizon_days,
]) -%}
{% endfor -%}
{% set counts = ['train_rows', 'train_positives', 'train_origins', 'test_rows', 'test_positives'] -%}

with fit as (
    select * from {{ ref('int_segmentation__prediction_fit') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

targets as (
    {{ inline_rows({
        'target': 'string', 'name': 'string', 'description': 'string', 'who': 'string', 'outcome': 'string',
        'recommended_action': 'string', 'group_thresholds': 'string', 'horizon_days': 'integer',
    }, targets) | indent(4) }}
),

in_force as (
    select
        targets.*,
        coalesce(periods.models_fitted_as_of, periods.as_of) as fitted_as_of
    from targets
    cross join periods
    where periods.is_current
),

best as (
    select
        target,
        as_of,
        name as candidate
    from fit
    where part = 'chosen'
),

parts as (
    select
        fit.target,
        fit.as_of as fitted_as_of,
        max(case when fit.part = 'model' then fit.name end) as model,
        max(case when fit.part = 'verdict' then fit.name end) as verdict,
        max(case when fit.part = 'why' then fit.name end) as why,
        {%- for count in counts %}
        max(case when fit.part = 'count' and fit.name = '{{ count }}' then fit.value end) as {{ count }},
        {%- endfor %}
        {%- for date in ['train_from', 'train_to', 'test'] %}
        max(
            case when fit.part = 'origin' and fit.name = '{{ date }}' then cast(fit.feature as date) end
        ) as {{ date }}_origin,
        {%- endfor %}
        {%- for value in ['mean', 'low', 'high'] %}
        max(
            case when fit.part = 'gain' and fit.name = '{{ value }}' and fit.feature = best.candidate then fit.value end
        ) as gain_{{ value }},
        {%- endfor %}
        max(best.candidate) as best_candidate
    from fit
    left join best
        on
            fit.target = best.target
            and fit.as_of = best.as_of
    group by fit.target, fit.as_of
),

models as (
    select
        coalesce(parts.target, in_force.target) as target,
        coalesce(parts.fitted_as_of, in_force.fitted_as_of) as fitted_as_of,
        coalesce(parts.model, 'none') as model,
        coalesce(parts.verdict, 'no_outcomes') as verdict,
        coalesce(
            parts.why,
            'No outcome is known yet: that takes a history of at least ' || in_force.horizon_days
            || ' days after the first day of a month on which customers could be asked about.'
        ) as why,
        case when in_force.target is not null then 'in_force' else 'retired' end as status,
        parts.best_candidate,
        {%- for count in counts %}
        parts.{{ count }},
        {%- endfor %}
        parts.gain_mean,
        parts.gain_low,
        parts.gain_high,
        parts.train_from_origin,
        parts.train_to_origin,
        parts.test_origin
    from parts
    full outer join in_force
        on
            parts.target = in_force.target
            and parts.fitted_as_of = in_force.fitted_as_of
),

final as (
    select
        -- ids
        models.target,
        {{ prediction_model_id('models') }} as model_id,
        models.model,

        -- words
        targets.name,
        targets.description,
        targets.who,
        targets.outcome,
        targets.recommended_action,
        models.status,
        models.verdict,
        models.why,
        models.best_candidate,
        targets.group_thresholds,

        -- numbers
        cast(targets.horizon_days as integer) as horizon_days,
        {%- for count in counts %}
        cast(coalesce(models.{{ count }}, 0) as bigint) as {{ count }},
        {%- endfor %}
        models.gain_mean,
        models.gain_low,
        models.gain_high,

        -- dates
        models.fitted_as_of,
        models.train_from_origin,
        models.train_to_origin,
        models.test_origin
    from models
    inner join targets on models.target = targets.target
)

select * from final
