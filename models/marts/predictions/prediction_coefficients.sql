with fit as (
    select * from {{ ref('int_segmentation__prediction_fit') }}
),

features as (
    {% for feature in cluster_features('prediction_features') -%}
    select
        '{{ feature.name }}' as feature,
        {{ sql_literal(prediction_feature_words(feature)) }} as words
    {{ 'union all' if not loop.last }}
    {% else -%}
    select
        cast(null as {{ dbt.type_string() }}) as feature,
        cast(null as {{ dbt.type_string() }}) as words
    where false
    {% endfor %}
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
