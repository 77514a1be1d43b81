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
        customers.recency_days__all as recency_days,
        customers.orders__all as frequency,
        customers.revenue__all as monetary,
        customers.monetary_mean,
        customers.tenure_days__all as tenure_days,
        customers.purchase_days__all as purchase_days,
        customers.orders__365d as orders_365d,
        customers.revenue__365d as revenue_365d,

        -- flags
        customers.is_buyer
    from customers
    inner join periods on customers.as_of = periods.as_of
    where periods.is_current
)

select * from final
