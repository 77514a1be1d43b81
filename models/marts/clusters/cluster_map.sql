with fit as (
    select * from {{ ref('int_segmentation__cluster_fit') }}
),

models as (
    select *
    from {{ ref('cluster_models') }}
    where status = 'in_force'
),

customers as (
    select * from {{ ref('int_identity__customers_resolved') }}
),

points as (
    select
        scheme,
        as_of,
        number as customer_key,
        {%- for axis in ['pca_1', 'pca_2', 'tsne_1', 'tsne_2'] %}
        max(case when feature = '{{ axis }}' then value end) as {{ axis }},
        {%- endfor %}
        name as cluster_key
    from fit
    where part = 'map'
    group by scheme, as_of, number, name
),

final as (
    select
        -- ids
        models.scheme,
        models.model_id,
        customers.customer_id,
        points.cluster_key,

        -- numbers
        points.pca_1,
        points.pca_2,
        points.tsne_1,
        points.tsne_2
    from points
    inner join models
        on
            points.scheme = models.scheme
            and points.as_of = models.fitted_as_of
    inner join customers on points.customer_key = customers.customer_key
)

select * from final
