with fit as (
    select * from {{ ref('int_segmentation__cluster_fit') }}
),

models as (
    select *
    from {{ ref('cluster_models') }}
    where status <> 'candidate'
),

flows as (
    select
        scheme,
        as_of as fitted_as_of,
        max(case when feature = 'from' then name end) as previous_cluster_key,
        max(case when feature = 'to' then name end) as cluster_key,
        max(case when feature = 'name_before' then name end) as previous_name,
        max(case when feature = 'name_now' then name end) as name,
        max(case when feature = 'kind' then name end) as kind,
        cast(max(case when feature = 'relabelled' then value end) as bigint) as relabelled_customers,
        cast(max(case when feature = 'moved' then value end) as bigint) as moved_customers
    from fit
    where part = 'flow'
    group by scheme, as_of, number
),

final as (
    select
        -- ids
        models.scheme,
        models.model_id,
        flows.previous_cluster_key,
        flows.cluster_key,

        -- words
        flows.previous_name,
        flows.name,
        flows.kind,

        -- numbers
        flows.relabelled_customers,
        flows.moved_customers,

        -- dates
        flows.fitted_as_of
    from flows
    inner join models
        on
            flows.scheme = models.scheme
            and flows.fitted_as_of = models.fitted_as_of
)

select * from final
