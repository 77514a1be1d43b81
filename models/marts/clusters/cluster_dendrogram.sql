with fit as (
    select * from {{ ref('int_segmentation__cluster_fit') }}
),

models as (
    select *
    from {{ ref('cluster_models') }}
    where status = 'in_force'
),

branches as (
    select
        scheme,
        as_of,
        name as linkage,
        {%- for field in ['left', 'right', 'height', 'rows'] %}
        max(case when feature = '{{ field }}' then value end) as {{ field }}_value,
        {%- endfor %}
        number as node
    from fit
    where part = 'dendrogram'
    group by scheme, as_of, name, number
),

final as (
    select
        -- ids
        models.scheme,
        models.model_id,
        branches.linkage,
        cast(branches.node as integer) as node,
        cast(branches.left_value as integer) as left_node,
        cast(branches.right_value as integer) as right_node,

        -- numbers
        branches.height_value as height,
        cast(branches.rows_value as bigint) as customers
    from branches
    inner join models
        on
            branches.scheme = models.scheme
            and branches.as_of = models.fitted_as_of
)

select * from final
