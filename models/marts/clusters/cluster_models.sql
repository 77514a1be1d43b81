with fit as (
    select * from {{ ref('int_segmentation__cluster_fit') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

-- Without buyers nothing could be fitted; that is told as a model of no clusters.
in_force as (
    select coalesce(models_fitted_as_of, as_of) as fitted_as_of
    from periods
    where is_current
),

parts as (
    select
        as_of as fitted_as_of,
        max(case when part = 'model' then name end) as algorithm,
        max(case when part = 'model' then number end) as k,
        max(case when part = 'model' then value end) as sampled_customers,
        max(case when part = 'verdict' then name end) as verdict,
        max(case when part = 'why' then name end) as why
    from fit
    group by as_of
),

models as (
    select
        coalesce(parts.fitted_as_of, in_force.fitted_as_of) as fitted_as_of,
        coalesce(parts.algorithm, 'none') as algorithm,
        coalesce(parts.k, 1) as k,
        coalesce(parts.sampled_customers, 0) as sampled_customers,
        coalesce(parts.verdict, 'none') as verdict,
        coalesce(parts.why, 'There are no buyers to group.') as why,
        in_force.fitted_as_of is not null as is_in_force
    from parts
    full outer join in_force on parts.fitted_as_of = in_force.fitted_as_of
),

final as (
    select
        -- ids
        {{ cluster_model_id('fitted_as_of', 'algorithm', 'k') }} as model_id,
        algorithm,

        -- numbers
        cast(k as integer) as k,
        cast(sampled_customers as bigint) as sampled_customers,

        -- words
        case when is_in_force then 'in_force' else 'retired' end as status,
        verdict,
        why,

        -- dates
        fitted_as_of
    from models
)

select * from final
