{% set measures = [
    'inertia', 'silhouette', 'simulated_silhouette', 'simulated_silhouette_sd', 'davies_bouldin', 'calinski_harabasz', 'dunn',
    'gap', 'gap_error', 'stability', 'smallest_share', 'noise_share'
] -%}

with fit as (
    select fits.*
    from {{ ref('int_segmentation__cluster_fit') }} as fits
    inner join {{ ref('cluster_models') }} as models
        on
            fits.scheme = models.scheme
            and fits.as_of = models.selected_as_of
    where models.status = 'in_force'
),

candidates as (
    select
        scheme,
        as_of as fitted_as_of,
        feature as algorithm,
        {%- for measure in measures + ['is_elbow', 'chosen'] %}
        max(case when name = '{{ measure }}' then value end) as {{ measure }},
        {%- endfor %}
        number as k
    from fit
    where part = 'candidate'
    group by scheme, as_of, feature, number
),

final as (
    select
        -- ids
        scheme,
        {{ cluster_model_id('scheme', 'fitted_as_of', 'algorithm', 'k') }} as model_id,
        algorithm,
        cast(k as integer) as k,

        -- dates
        fitted_as_of,

        -- numbers
        {%- for measure in measures %}
        {{ measure }},
        {%- endfor %}

        -- flags
        is_elbow = 1 as is_elbow,
        chosen = 1 as chosen
    from candidates
)

select * from final
