{% set measures = [
    'inertia', 'silhouette', 'simulated_silhouette', 'davies_bouldin', 'calinski_harabasz', 'dunn', 'gap', 'gap_error',
    'stability', 'smallest_share', 'noise_share', 'seconds'
] -%}

with fit as (
    select fits.*
    from {{ ref('int_segmentation__cluster_fit') }} as fits
    inner join {{ ref('int_periods') }} as periods on fits.as_of = periods.models_selected_as_of
    where periods.is_current
),

candidates as (
    select
        as_of as fitted_as_of,
        feature as algorithm,
        {%- for measure in measures + ['is_elbow', 'chosen'] %}
        max(case when name = '{{ measure }}' then value end) as {{ measure }},
        {%- endfor %}
        number as k
    from fit
    where part = 'candidate'
    group by as_of, feature, number
),

final as (
    select
        -- ids
        {{ cluster_model_id('fitted_as_of', 'algorithm', 'k') }} as model_id,
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
