-- table: cluster_models
-- The sentence reveals the number of customers.
select
    scheme,
    model_id,
    k,
    silhouette,
    simulated_silhouette,
    status,
    verdict,
    fitted_as_of,
    coalesce(sampled_customers, (select count(*) from customer_segments where is_buyer)) as customers,
    why
from models.cluster_models
where status <> 'candidate'
order by scheme, fitted_as_of

-- table: cluster_selection
select
    scheme,
    k,
    inertia,
    silhouette,
    simulated_silhouette,
    gap,
    gap_error,
    stability,
    is_elbow,
    chosen
from models.cluster_selection
where algorithm = 'kmeans'
order by scheme, k

-- table: cluster_map
-- A point is a group of near neighbours of one cluster, never a customer: strips along the first coordinate, each cut along the
-- second into groups of at least smallest_cell.
with points as (
    select
        cluster_map.scheme,
        cluster_map.cluster_key,
        axes.map,
        axes.x,
        axes.y,
        cluster_map.customer_id,
        count(*) over (partition by cluster_map.scheme, cluster_map.cluster_key, axes.map) as points,
        data_set.smallest_cell as smallest
    from models.cluster_map
    inner join models.cluster_models using (scheme, model_id)
    cross join monitoring.data_set
    cross join lateral (
        select 'pca' as map, cluster_map.pca_1 as x, cluster_map.pca_2 as y
        union all
        select 'tsne', cluster_map.tsne_1, cluster_map.tsne_2
    ) as axes
    where cluster_models.status = 'in_force'
),

strips as (
    select
        *,
        cast(greatest(1, floor(sqrt(points / smallest))) as bigint) as strips,
        row_number() over (partition by scheme, cluster_key, map order by x, customer_id) - 1 as place
    from points
    where points >= smallest
),

numbered as (
    select
        *,
        place * strips // points as strip
    from strips
),

placed as (
    select
        *,
        count(*) over (partition by scheme, cluster_key, map, strip) as in_strip,
        row_number() over (partition by scheme, cluster_key, map, strip order by y, customer_id) - 1 as place_in_strip
    from numbered
),

groups as (
    select
        *,
        place_in_strip * greatest(1, in_strip // smallest) // in_strip as part
    from placed
)

select
    scheme,
    map,
    cluster_key,
    concat(scheme, ':', cluster_key) as segment_key,
    count(*) as customers,
    avg(x) as x,
    avg(y) as y
from groups
group by scheme, map, cluster_key, strip, part
order by scheme, map, cluster_key, strip, part

-- table: cluster_centroids
select
    cluster_centroids.scheme,
    cluster_centroids.cluster_key,
    concat(cluster_centroids.scheme, ':', cluster_centroids.cluster_key) as segment_key,
    cluster_centroids.feature,
    cluster_centroids.value,
    cluster_centroids.mean
from models.cluster_centroids
inner join models.cluster_models using (scheme, model_id)
inner join shown_sizes
    on
        concat(cluster_centroids.scheme, ':', cluster_centroids.cluster_key) = shown_sizes.segment_key
        and shown_sizes.period = (select max(period) from shown_sizes)
        and shown_sizes.customers is not null
where cluster_models.status = 'in_force'
order by all

-- table: cluster_lineage
select
    scheme,
    fitted_as_of,
    previous_cluster_key,
    cluster_key,
    previous_name,
    name,
    kind,
    concat(model_id, '|', previous_cluster_key) as total_1,
    concat(model_id, '|', cluster_key) as total_2,
    relabelled_customers as customers
from models.cluster_lineage
order by scheme, fitted_as_of, previous_cluster_key, cluster_key

-- table: cluster_dendrogram
select
    cluster_dendrogram.scheme,
    cluster_dendrogram.linkage,
    cluster_dendrogram.node,
    cluster_dendrogram.left_node,
    cluster_dendrogram.right_node,
    cluster_dendrogram.height
from models.cluster_dendrogram
order by all
