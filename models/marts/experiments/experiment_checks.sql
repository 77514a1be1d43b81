-- What may be wrong with an experiment: who was left out and why, whether the variants have their planned shares, whether
-- they differed before the assignment, and whether the effect fades.

{% set outcomes_outside = {
    'outcome_before_assignment': '< units.assigned_on',
    'outcome_after_end': '>= units.observed_until',
} -%}

with assignments as (
    select * from {{ ref('stg_experiment_assignments') }}
),

outcomes as (
    select * from {{ ref('stg_experiment_outcomes') }}
),

units as (
    select * from {{ ref('int_marts__experiment_units') }}
),

measured as (
    select * from {{ ref('int_marts__experiment_outcomes') }}
),

effects as (
    select *
    from {{ ref('int_marts__experiment_effects') }}
    where segment_key = 'all'
),

customer_references as (
    {{ eligible_references() | indent(4) }}
),

experiments as (
    {{ declared_experiments() | indent(4) }}
),

metrics as (
    {{ declared_outcomes() | indent(4) }}
),

left_out as (
    {% for reason in ['two_variants', 'unknown_variant', 'outside_days', 'not_yet_observed'] -%}
    select
        experiments.experiment_id,
        '{{ reason }}' as check_name,
        count(units.customer_key) as customers
    from experiments
    left join units
        on
            experiments.experiment_id = units.experiment_id
            and units.exclusion_reason = '{{ reason }}'
    group by experiments.experiment_id
    union all
    {% endfor -%}
    select
        experiments.experiment_id,
        'unknown_customer' as check_name,
        count(assignments.customer_ref) - count(customer_references.customer_key) as customers
    from experiments
    left join assignments on experiments.experiment_id = assignments.experiment_id
    left join customer_references
        on
            assignments.source_system = customer_references.source_system
            and assignments.customer_ref = customer_references.customer_ref
    group by experiments.experiment_id
    union all
    select
        assignments.experiment_id,
        'not_declared' as check_name,
        count(*) as customers
    from assignments
    left join experiments on assignments.experiment_id = experiments.experiment_id
    where experiments.experiment_id is null
    group by assignments.experiment_id
    {% for check_name, condition in outcomes_outside.items() -%}
    union all
    select
        experiments.experiment_id,
        '{{ check_name }}' as check_name,
        count(distinct units.customer_key) as customers
    from experiments
    left join outcomes
        on
            experiments.experiment_id = outcomes.experiment_id
            and outcomes.measured_on is not null
    left join customer_references
        on
            outcomes.source_system = customer_references.source_system
            and outcomes.customer_ref = customer_references.customer_ref
    left join units
        on
            experiments.experiment_id = units.experiment_id
            and customer_references.customer_key = units.customer_key
            and outcomes.measured_on {{ condition }}
    group by experiments.experiment_id
    {% endfor -%}
),

counted as (
    select
        experiment_id,
        check_name,
        customers as value,
        case when customers = 0 then 'ok' else 'warning' end as status,
        case
            when check_name in ('unknown_customer', 'not_declared') then 'assignments left out: '
            when check_name in ('outcome_before_assignment', 'outcome_after_end')
                then 'customers with an outcome left out: '
            else 'customers left out: '
        end
        || cast(customers as {{ dbt.type_string() }})
        || case
            when customers = 0 then ''
            when check_name = 'two_variants' then ', linked from records with different variants'
            when check_name = 'unknown_variant' then ', in a variant that is not declared'
            when check_name = 'outside_days' then ', assigned before the start or after the end'
            when check_name = 'not_yet_observed' then ', assigned on as_of or later'
            when check_name = 'unknown_customer' then ', of no eligible customer'
            when check_name = 'not_declared' then ', of an experiment that is missing in var experiments'
            when check_name = 'outcome_before_assignment' then ', measured before the assignment'
            when check_name = 'outcome_after_end' then ', measured after the end, on as_of or later'
        end as verdict
    from left_out
),

shares as (
    select
        metrics.experiment_id,
        count(measured.customer_key) / nullif(cast(count(units.customer_key) as double), 0) as share
    from metrics
    left join units
        on
            metrics.experiment_id = units.experiment_id
            and units.exclusion_reason is null
    left join measured
        on
            units.experiment_id = measured.experiment_id
            and units.customer_key = measured.customer_key
            and metrics.metric = measured.metric
            and measured.span = 'outcome'
    where metrics.is_primary
    group by metrics.experiment_id
),

mismatches as (
    select
        experiment_id,
        max(mismatch_p) as p_value
    from effects
    group by experiment_id
),

weeks as (
    select
        effects.*,
        coalesce(
            effects.effect_high < first_weeks.effect_low and first_weeks.effect > 0
            or effects.effect_low > first_weeks.effect_high and first_weeks.effect < 0,
            false
        ) as fades
    from effects
    inner join effects as first_weeks
        on
            effects.experiment_id = first_weeks.experiment_id
            and effects.metric = first_weeks.metric
            and effects.comparison = first_weeks.comparison
            and first_weeks.span = 'week 1'
    where effects.span like 'week %'
),

checks as (
    select
        experiment_id,
        check_name,
        '' as part,
        value,
        cast(null as double) as low,
        cast(null as double) as high,
        cast(null as double) as p_value,
        status,
        verdict
    from counted
    union all
    select
        experiment_id,
        'measured_share' as check_name,
        '' as part,
        share as value,
        cast(null as double) as low,
        cast(null as double) as high,
        cast(null as double) as p_value,
        case when share = 1 then 'ok' else 'warning' end as status,
        case
            when share is null then 'no customers'
            when share = 1 then 'all customers have a value of the primary metric'
            else 'some customers have no value of the primary metric and count nowhere: are they alike in all variants?'
        end as verdict
    from shares
    union all
    select
        experiment_id,
        'mismatch' as check_name,
        '' as part,
        cast(null as double) as value,
        cast(null as double) as low,
        cast(null as double) as high,
        p_value,
        case
            when p_value is null then 'warning'
            when {{ rounded('p_value', 9) }} < 0.001 then 'stop'
            else 'ok'
        end as status,
        case
            when p_value is null then 'no customers'
            when {{ rounded('p_value', 9) }} < 0.001
                then 'the variants do not have their planned shares: find out why before any effect is believed'
            else 'the variants have their planned shares'
        end as verdict
    from mismatches
    union all
    select
        experiment_id,
        'balance' as check_name,
        metric || ', ' || comparison as part,
        effect as value,
        effect_low as low,
        effect_high as high,
        p_value,
        case when verdict like 'not balanced%' then 'warning' else 'ok' end as status,
        verdict
    from effects
    where span = 'before' and kind <> 'interaction'
    union all
    select
        experiment_id,
        'effect_by_week' as check_name,
        metric || ', ' || comparison || ', ' || span as part,
        effect as value,
        effect_low as low,
        effect_high as high,
        p_value,
        case when fades then 'warning' else 'ok' end as status,
        case when fades then 'fades: ' || verdict || ', beyond the interval of the first week' else verdict end
            as verdict
    from weeks
    where kind <> 'interaction'
),

final as (
    select
        -- ids
        experiment_id,
        check_name,
        part,

        -- numbers
        {% for number in ['value', 'low', 'high', 'p_value'] -%}
        {{ rounded(number) }} as {{ number }},
        {% endfor %}
        -- words
        status,
        verdict
    from checks
)

select * from final
