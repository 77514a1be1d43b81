-- Stability of clusters: the share of members still in theirs at the next period (kept), and how far the centroids of a new
-- model moved since the previous one (centroid_distance).

{% set schemes = "('cluster', 'journeys')" -%}

with sums as (
    select segment_sums.*
    from {{ ref('int_marts__segment_sums') }} as segment_sums
    where
        segment_sums.is_all_days
        and segment_sums.scheme in {{ schemes }}
        and {{ is_of_buyers('segment_sums') }}
),

changes as (
    select * from {{ ref('int_segmentation__changes') }}
    where scheme in {{ schemes }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

centroids as (
    select
        models.fitted_as_of,
        models.scheme,
        models.scheme || ':' || centroids.cluster_key as segment_key,
        centroids.feature,
        centroids.value
    from {{ ref('cluster_centroids') }} as centroids
    inner join {{ ref('cluster_models') }} as models on centroids.model_id = models.model_id
    where models.status <> 'candidate'
),

movers as (
    select
        changed_on,
        scheme,
        customer_key,
        max(case when change = 'exited' then segment_key end) as from_segment,
        max(case when change = 'entered' then segment_key end) as to_segment
    from changes
    group by changed_on, scheme, customer_key
),

-- A customer without a segment of the scheme is no longer eligible.
left_members as (
    select
        changed_on,
        from_segment,
        count(*) as customers,
        count(to_segment) as movers
    from movers
    group by changed_on, from_segment
),

members as (
    select
        periods.as_of as period,
        periods.previous_as_of as baseline_as_of,
        sums.scheme,
        sums.segment_key,
        sums.customers - coalesce(left_members.customers - left_members.movers, 0) as customers,
        sums.customers - coalesce(left_members.customers, 0) as stayers
    from periods
    inner join sums on periods.previous_as_of = sums.as_of
    left join left_members
        on
            periods.as_of = left_members.changed_on
            and sums.segment_key = left_members.from_segment
),

kept as (
    select
        period,
        baseline_as_of,
        scheme,
        segment_key,
        customers,
        stayers
    from members
    union all
    select
        period,
        baseline_as_of,
        scheme,
        'all' as segment_key,
        sum(customers) as customers,
        sum(stayers) as stayers
    from members
    group by period, baseline_as_of, scheme
),

successive_models as (
    select
        scheme,
        fitted_as_of,
        lag(fitted_as_of) over (partition by scheme order by fitted_as_of) as earlier_fitted_as_of
    from centroids
    group by scheme, fitted_as_of
),

moved_centroids as (
    select
        now.fitted_as_of as period,
        now.scheme,
        now.segment_key,
        earlier.fitted_as_of as baseline_as_of,
        sqrt(sum(power(now.value - earlier.value, 2))) as distance
    from centroids as now
    inner join successive_models
        on
            now.scheme = successive_models.scheme
            and now.fitted_as_of = successive_models.fitted_as_of
    inner join centroids as earlier
        on
            successive_models.earlier_fitted_as_of = earlier.fitted_as_of
            and now.segment_key = earlier.segment_key
            and now.feature = earlier.feature
    group by now.fitted_as_of, now.scheme, now.segment_key, earlier.fitted_as_of
),

tests as (
    select
        period,
        'previous' as baseline,
        baseline_as_of,
        scheme,
        segment_key,
        scheme as metric,
        'kept' as test,
        stayers as customers,
        customers as baseline_customers,
        stayers / cast(customers as double) as statistic,
        cast(null as boolean) as is_significant
    from kept
    where customers > 0
    union all
    select
        period,
        'fitted' as baseline,
        baseline_as_of,
        scheme,
        segment_key,
        'centre' as metric,
        'centroid_distance' as test,
        null as customers,
        null as baseline_customers,
        distance as statistic,
        null as is_significant
    from moved_centroids
)

select * from tests
