{% set measures = ['inertia', 'silhouette', 'davies_bouldin', 'calinski_harabasz', 'smallest_share'] -%}

with fit as (
    select fits.*
    from {{ ref('int_segmentation__cluster_fit') }} as fits
    inner join {{ ref('int_periods') }} as periods on fits.as_of = periods.models_fitted_as_of
    where periods.is_current
),

candidates as (
    select
        as_of as fitted_as_of,
        {%- for measure in measures + ['chosen'] %}
        max(case when name = '{{ measure }}' then value end) as {{ measure }},
        {%- endfor %}
        number as k
    from fit
    where part = 'candidate'
    group by as_of, number
),

final as (
    select
        -- ids
        {{ cluster_model_id('fitted_as_of', "'kmeans'", 'k') }} as model_id,
        'kmeans' as algorithm,
        cast(k as integer) as k,

        -- dates
        fitted_as_of,

        -- numbers
        {%- for measure in measures %}
        {{ measure }},
        {%- endfor %}

        -- flags
        coalesce(chosen = 1, false) as chosen
    from candidates
)

select * from final
