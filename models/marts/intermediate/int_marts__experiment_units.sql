-- One row per experiment of var experiments and eligible customer assigned to it, with the reason why the customer doesn't
-- count, if there is one.
--
-- A customer linked from two records may have two variants, and was treated by both. Without a time of assignment a
-- customer counts from the first day of the experiment.

with assignments as (
    select * from {{ ref('stg_experiment_assignments') }}
),

customer_references as (
    {{ eligible_references() | indent(4) }}
),

experiments as (
    {{ declared_experiments() | indent(4) }}
),

variants as (
    {{ declared_variants() | indent(4) }}
),

current_period as (
    select as_of
    from {{ ref('int_periods') }}
    where is_current
),

assigned as (
    select
        experiments.experiment_id,
        experiments.starts_on,
        experiments.ends_on,
        experiments.pre_period_days,
        least({{ days_after('experiments.ends_on', 1) }}, current_period.as_of) as observed_until,
        customer_references.customer_key,
        min(assignments.variant) as variant,
        count(distinct assignments.variant) as variants,
        min(coalesce(assignments.assigned_on, experiments.starts_on)) as assigned_on
    from assignments
    cross join current_period
    inner join experiments on assignments.experiment_id = experiments.experiment_id
    inner join customer_references
        on
            assignments.source_system = customer_references.source_system
            and assignments.customer_ref = customer_references.customer_ref
    group by
        experiments.experiment_id,
        experiments.starts_on,
        experiments.ends_on,
        experiments.pre_period_days,
        current_period.as_of,
        customer_references.customer_key
),

final as (
    select
        -- ids
        assigned.experiment_id,
        assigned.customer_key,
        assigned.variant,

        -- dates
        assigned.assigned_on,
        assigned.observed_until,

        -- numbers
        coalesce(
            assigned.pre_period_days,
            {{ dbt.datediff('assigned.assigned_on', 'assigned.observed_until', 'day') }}
        ) as pre_period_days,

        -- words
        case
            when assigned.variants > 1 then 'two_variants'
            when variants.variant is null then 'unknown_variant'
            when assigned.assigned_on < assigned.starts_on or assigned.assigned_on > assigned.ends_on
                then 'outside_days'
            when assigned.assigned_on >= assigned.observed_until then 'not_yet_observed'
        end as exclusion_reason
    from assigned
    left join variants
        on
            assigned.experiment_id = variants.experiment_id
            and assigned.variant = variants.variant
)

select * from final
