with fit as (
    select * from {{ ref('int_segmentation__prediction_fit') }}
),

final as (
    select
        -- ids
        target,
        as_of as fitted_as_of,
        feature as candidate,
        cast(number as integer) as point,

        -- numbers
        cast(max(case when name = 'customers' then value end) as bigint) as customers,
        max(case when name = 'recall' then value end) as recall,
        max(case when name = 'false_positive_rate' then value end) as false_positive_rate,
        max(case when name = 'precision' then value end) as precision
    from fit
    where part = 'curve'
    group by target, as_of, feature, number
)

select * from final
