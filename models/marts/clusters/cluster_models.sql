with fit as (
    select * from {{ ref('int_segmentation__cluster_fit') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

in_force as (
    select models_fitted_as_of as fitted_as_of
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

final as (
    select
        -- ids
        {{ cluster_model_id('parts.fitted_as_of', 'parts.algorithm', 'parts.k') }} as model_id,
        parts.algorithm,

        -- numbers
        cast(parts.k as integer) as k,
        cast(parts.sampled_customers as bigint) as sampled_customers,

        -- words
        case when in_force.fitted_as_of is null then 'retired' else 'in_force' end as status,
        parts.verdict,
        parts.why,

        -- dates
        parts.fitted_as_of
    from parts
    left join in_force on parts.fitted_as_of = in_force.fitted_as_of
)

select * from final
