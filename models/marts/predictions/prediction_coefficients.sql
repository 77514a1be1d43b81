{% set features = [] -%}
{% for feature in cluster_features('prediction_features') -%}
{% do features.append([feature.name, prediction_feature_words(feature)]) -%}
{% endfor -%}

with fit as (
    select * from {{ ref('int_segmentation__prediction_fit') }}
),

features as (
    {{ inline_rows({'feature': 'string', 'words': 'string'}, features) | indent(4) }}
),

parts as (
    select
        target,
        as_of as fitted_as_of,
        feature,
        max(case when part = 'coefficient' then value end) as coefficient,
        max(case when part = 'inflation' then value end) as variance_inflation,
        max(case when part = 'inflation' then name end) as status,
        max(case when part = 'inflation' then number end) as drop_order
    from fit
    where part in ('coefficient', 'inflation')
    group by target, as_of, feature
),

final as (
    select
        -- ids
        parts.target,
        parts.fitted_as_of,
        parts.feature,

        -- words
        features.words,
        parts.status,

        -- numbers
        parts.coefficient,
        parts.variance_inflation,
        cast(parts.drop_order as integer) as drop_order
    from parts
    inner join features on parts.feature = features.feature
)

select * from final
