-- The effects of experiments with their verdicts. The numbers are rounded here: their last bits depend on the machine.

with effects as (
    select *
    from {{ ref('int_marts__experiment_effects') }}
    where span = 'outcome'
),

experiments as (
    {{ declared_experiments() | indent(4) }}
),

metrics as (
    {{ declared_outcomes() | indent(4) }}
),

final as (
    select
        -- ids
        effects.experiment_id,
        effects.metric,
        effects.comparison,
        effects.scheme,
        effects.segment_key,

        -- words
        effects.kind,
        effects.verdict,
        experiments.hypothesis,
        effects.status,

        -- numbers
        effects.customers,
        effects.control_customers,
        {% for number in [
            'mean', 'control_mean', 'effect', 'effect_low', 'effect_high', 'relative_effect', 'relative_low',
            'relative_high', 'p_value', 'p_corrected', 'cuped_effect', 'cuped_low', 'cuped_high', 'variance_reduction',
            'shrunk_effect', 'detectable_effect', 'power'
        ] -%}
        {{ rounded('effects.' ~ number) }} as {{ number }},
        {% endfor %}
        -- dates
        experiments.starts_on,
        experiments.ends_on,
        effects.as_of,

        -- flags
        metrics.is_primary,
        effects.is_measured
    from effects
    inner join experiments on effects.experiment_id = experiments.experiment_id
    inner join metrics
        on
            effects.experiment_id = metrics.experiment_id
            and effects.metric = metrics.metric
)

select * from final
