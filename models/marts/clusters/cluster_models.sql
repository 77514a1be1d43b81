-- The fitted models, and beside them the candidates of the selection in force that were not chosen.

{% set indices = [
    'silhouette', 'simulated_silhouette', 'davies_bouldin', 'calinski_harabasz', 'stability', 'smallest_share'
] -%}

with fit as (
    select * from {{ ref('int_segmentation__cluster_fit') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

-- Without buyers nothing could be fitted; that is told as a model of no clusters.
in_force as (
    select
        coalesce(models_fitted_as_of, as_of) as fitted_as_of,
        models_selected_as_of as selected_as_of
    from periods
    where is_current
),

selections as (
    select distinct
        models_fitted_as_of as fitted_as_of,
        models_selected_as_of as selected_as_of
    from periods
),

parts as (
    select
        as_of as fitted_as_of,
        max(case when part = 'model' then name end) as algorithm,
        max(case when part = 'model' then number end) as k,
        max(case when part = 'model' then value end) as sampled_customers,
        {%- for index in indices %}
        max(case when part = 'metric' and name = '{{ index }}' then value end) as {{ index }},
        {%- endfor %}
        max(case when part = 'verdict' then name end) as verdict,
        max(case when part = 'why' then name end) as why
    from fit
    where part in ('model', 'metric', 'verdict', 'why')
    group by as_of
),

models as (
    select
        coalesce(parts.fitted_as_of, in_force.fitted_as_of) as fitted_as_of,
        coalesce(selections.selected_as_of, in_force.fitted_as_of) as selected_as_of,
        coalesce(parts.algorithm, 'none') as algorithm,
        coalesce(parts.k, 1) as k,
        coalesce(parts.sampled_customers, 0) as sampled_customers,
        {%- for index in indices %}
        parts.{{ index }},
        {%- endfor %}
        coalesce(parts.verdict, 'none') as verdict,
        coalesce(parts.why, 'There are no buyers to group.') as why,
        case when in_force.fitted_as_of is not null then 'in_force' else 'retired' end as status
    from parts
    full outer join in_force on parts.fitted_as_of = in_force.fitted_as_of
    left join selections on parts.fitted_as_of = selections.fitted_as_of
),

candidates as (
    select
        fit.as_of as fitted_as_of,
        fit.as_of as selected_as_of,
        fit.feature as algorithm,
        fit.number as k,
        null as sampled_customers,
        {%- for index in indices %}
        max(case when fit.part = 'candidate' and fit.name = '{{ index }}' then fit.value end) as {{ index }},
        {%- endfor %}
        max(case when fit.part = 'candidate_verdict' then fit.name end) as verdict,
        max(case when fit.part = 'candidate_why' then fit.name end) as why,
        'candidate' as status
    from fit
    inner join in_force on fit.as_of = in_force.selected_as_of
    where fit.part in ('candidate', 'candidate_verdict', 'candidate_why')
    group by fit.as_of, fit.feature, fit.number
    having max(case when fit.part = 'candidate_why' then 1 end) = 1
),

registry as (
    select * from models
    union all
    select * from candidates
),

final as (
    select
        -- ids
        {{ cluster_model_id('fitted_as_of', 'algorithm', 'k') }} as model_id,
        algorithm,

        -- numbers
        cast(k as integer) as k,
        cast(sampled_customers as bigint) as sampled_customers,
        {%- for index in indices %}
        {{ index }},
        {%- endfor %}

        -- words
        '{{ cluster_features() | map(attribute="name") | join(", ") }}' as features,
        status,
        verdict,
        why,

        -- dates
        fitted_as_of,
        selected_as_of
    from registry
)

select * from final
