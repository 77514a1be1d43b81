-- The fitted models, plus the rejected candidates of the selection in force.

{% set indices = [
    'silhouette', 'simulated_silhouette', 'simulated_silhouette_sd', 'davies_bouldin', 'calinski_harabasz', 'stability',
    'smallest_share'
] -%}
{% set schemes = cluster_schemes() -%}

with fit as (
    select * from {{ ref('int_segmentation__cluster_fit') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

schemes as (
    {% for scheme, features in schemes.items() -%}
    select
        '{{ scheme }}' as scheme,
        '{{ features | map(attribute="name") | join(", ") }}' as features
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Without customers in a scheme nothing can be fitted; that counts as a model without clusters.
in_force as (
    select
        schemes.scheme,
        coalesce(periods.models_fitted_as_of, periods.as_of) as fitted_as_of
    from periods
    cross join schemes
    where periods.is_current
),

parts as (
    select
        scheme,
        as_of as fitted_as_of,
        max(case when part = 'model' then name end) as algorithm,
        max(case when part = 'model' then number end) as k,
        max(case when part = 'model' then value end) as sampled_customers,
        {%- for index in indices %}
        max(case when part = 'metric' and name = '{{ index }}' then value end) as {{ index }},
        {%- endfor %}
        max(case when part = 'selected' then cast(name as date) end) as selected_as_of,
        max(case when part = 'verdict' then name end) as verdict,
        max(case when part = 'why' then name end) as why
    from fit
    where part in ('model', 'metric', 'selected', 'verdict', 'why')
    group by scheme, as_of
),

models as (
    select
        coalesce(parts.scheme, in_force.scheme) as scheme,
        coalesce(parts.fitted_as_of, in_force.fitted_as_of) as fitted_as_of,
        coalesce(parts.selected_as_of, in_force.fitted_as_of) as selected_as_of,
        coalesce(parts.algorithm, 'none') as algorithm,
        coalesce(parts.k, 1) as k,
        coalesce(parts.sampled_customers, 0) as sampled_customers,
        {%- for index in indices %}
        parts.{{ index }},
        {%- endfor %}
        coalesce(parts.verdict, 'none') as verdict,
        coalesce(
            parts.why,
            case
                when in_force.scheme = 'cluster' then 'There are no buyers to cluster.'
                else 'There are no customers to cluster: none has an event that shows how they move.'
            end
        ) as why,
        case when in_force.fitted_as_of is not null then 'in_force' else 'retired' end as status
    from parts
    full outer join in_force
        on
            parts.scheme = in_force.scheme
            and parts.fitted_as_of = in_force.fitted_as_of
),

candidates as (
    select
        fit.scheme,
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
    inner join models
        on
            fit.scheme = models.scheme
            and fit.as_of = models.selected_as_of
            and models.status = 'in_force'
    where fit.part in ('candidate', 'candidate_verdict', 'candidate_why')
    group by fit.scheme, fit.as_of, fit.feature, fit.number
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
        registry.scheme,
        {{ cluster_model_id('registry.scheme', 'registry.fitted_as_of', 'registry.algorithm', 'registry.k') }}
            as model_id,
        registry.algorithm,

        -- numbers
        cast(registry.k as integer) as k,
        cast(registry.sampled_customers as bigint) as sampled_customers,
        {%- for index in indices %}
        registry.{{ index }},
        {%- endfor %}

        -- words
        schemes.features,
        registry.status,
        registry.verdict,
        registry.why,

        -- dates
        registry.fitted_as_of,
        registry.selected_as_of
    from registry
    inner join schemes on registry.scheme = schemes.scheme
)

select * from final
