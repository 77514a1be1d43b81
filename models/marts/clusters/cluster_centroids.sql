with fit as (
    select * from {{ ref('int_segmentation__cluster_fit') }}
),

models as (
    select *
    from {{ ref('cluster_models') }}
    where status <> 'candidate'
),

keys as (
    select
        scheme,
        as_of,
        number,
        name as cluster_key
    from fit
    where part = 'key'
),

centroids as (
    select
        scheme,
        as_of,
        number,
        feature,
        max(case when part = 'centroid' then value end) as value,
        max(case when part = 'centroid_raw' then value end) as mean
    from fit
    where part in ('centroid', 'centroid_raw')
    group by scheme, as_of, number, feature
),

final as (
    select
        -- ids
        models.scheme,
        models.model_id,
        keys.cluster_key,
        centroids.feature,

        -- numbers
        centroids.value,
        centroids.mean
    from centroids
    inner join keys
        on
            centroids.scheme = keys.scheme
            and centroids.as_of = keys.as_of
            and centroids.number = keys.number
    inner join models
        on
            centroids.scheme = models.scheme
            and centroids.as_of = models.fitted_as_of
)

select * from final
