with fit as (
    select * from {{ ref('int_segmentation__prediction_fit') }}
),

final as (
    select
        -- ids
        target,
        as_of as fitted_as_of,
        feature as candidate,
        cast(number as integer) as decile,

        -- numbers
        max(case when name = 'predicted' then value end) as predicted,
        max(case when name = 'observed' then value end) as observed,
        cast(max(case when name = 'rows' then value end) as bigint) as customers
    from fit
    where part = 'calibration'
    group by target, as_of, feature, number
)

select * from final
