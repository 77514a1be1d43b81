with customers as (
    select * from {{ ref('int_segmentation__customers') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

final as (
    select
        -- ids
        customers.customer_id,
        customers.as_of,

        -- numbers
        cast(customers.recency_days__all as integer) as recency_days,
        customers.orders__all as frequency,
        cast(customers.revenue__all as decimal(18, 2)) as monetary,
        customers.monetary_mean,
        cast(customers.tenure_days__all as integer) as tenure_days,
        customers.purchase_days__all as purchase_days,
        customers.orders__365d as orders_365d,
        cast(customers.revenue__365d as decimal(18, 2)) as revenue_365d,

        -- flags
        customers.is_buyer
    from customers
    inner join periods on customers.as_of = periods.as_of
    where periods.is_current
)

select * from final
