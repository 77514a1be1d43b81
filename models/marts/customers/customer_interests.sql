with interests as (
    select * from {{ ref('int_features__interests') }}
),

customers as (
    select * from {{ ref('int_identity__customers_resolved') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

final as (
    select
        -- ids
        customers.customer_id,
        interests.category,

        -- dates
        interests.as_of,

        -- numbers
        cast(interests.rank as integer) as rank,
        interests.spend,
        interests.spend_share,
        interests.recent_share
    from interests
    inner join periods on interests.as_of = periods.as_of
    inner join customers on interests.customer_key = customers.customer_key
    where
        periods.is_current
        and interests.category is not null
)

select * from final
