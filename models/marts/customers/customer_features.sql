with customers as (
    select * from {{ ref('int_segmentation__customers_scored') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

treated as (
    select
        as_of,
        customer_key,
        {{ joined_list(list_in_order('feature', 'feature', 'is_imputed'), ', ') }} as imputed_fields,
        {{ joined_list(list_in_order('feature', 'feature', 'is_capped'), ', ') }} as capped_fields
    from {{ ref('int_features__treated') }}
    group by as_of, customer_key
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
        cast(customers.decayed_revenue__all as decimal(18, 2)) as decayed_revenue,
        cast(customers.monthly_revenue__90d as decimal(18, 2)) as monthly_revenue_90d,
        cast(customers.revenue_trend__180d as decimal(18, 2)) as revenue_trend_180d,

        -- scores
        {%- for name in score_names() %}
        customers.{{ name }},
        {%- endfor %}

        -- interests and habits
        customers.top_category,
        customers.variety,
        customers.discount_affinity,
        {{ rounded('customers.weekend_order_share__all') }} as weekend_order_share,
        {{ rounded('customers.evening_order_share__all') }} as evening_order_share,

        -- carts
        {{ rounded('customers.cart_abandonment__90d') }} as cart_abandonment_90d,
        cast(customers.cart_value_left__90d as decimal(18, 2)) as cart_value_left_90d,
        cast(customers.abandoned_cart_days__all as integer) as abandoned_cart_days,

        -- words
        nullif(
            case when customers.has_events then '' else 'engagement_score: no events are known' end
            || case
                when not customers.has_events and customers.momentum_score is null then '; ' else ''
            end
            || case
                when not customers.is_buyer then 'momentum_score, loyalty_score, churn_risk: no completed order'
                when customers.momentum_score is not null then ''
                when customers.tenure_days__all < 180 then 'momentum_score: the first order is less than 180 days ago'
                else 'momentum_score: no order in the last 365 days'
            end,
            ''
        ) as missing_scores,
        treated.imputed_fields,
        treated.capped_fields,

        -- flags
        customers.big_purchases__30d > 0 as has_big_purchase_30d,
        customers.is_buyer
    from customers
    inner join periods on customers.as_of = periods.as_of
    left join treated
        on
            customers.as_of = treated.as_of
            and customers.customer_key = treated.customer_key
    where periods.is_current
)

select * from final
