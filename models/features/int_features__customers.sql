-- One row per as_of and eligible customer known before it: the wide table of features.
--
-- A customer without rows in a metric's table gets the value that the metric declares for that, 0 or null: without
-- it, a rule such as "at most 0 orders" would miss everyone who never ordered.

{% set declared = metrics() -%}
{% set windows = wide_table_windows() -%}

with customers as (
    select * from {{ ref('int_identity__customers') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_built
),

order_metrics as (
    select * from {{ ref('int_features__order_metrics') }}
),

event_metrics as (
    select * from {{ ref('int_features__event_metrics') }}
),

session_metrics as (
    select * from {{ ref('int_features__session_metrics') }}
),

ticket_metrics as (
    select * from {{ ref('int_features__ticket_metrics') }}
),

purchase_days as (
    select * from {{ ref('int_features__purchase_days') }}
),

eligible_customers as (
    select
        periods.as_of,
        customers.*
    from periods
    inner join customers
        on periods.as_of > customers.known_from or customers.known_from is null
    where not customers.is_excluded
),

features as (
    select
        -- ids
        eligible_customers.as_of,
        eligible_customers.customer_key,
        eligible_customers.customer_id,

        -- attributes
        {%- for attribute in rule_attributes() %}
        eligible_customers.{{ attribute }},
        {%- endfor %}

        -- metrics over windows
        {%- for window in windows %}
        {%- set table = declared[window.metric].table[:-1] ~ '_metrics' %}
        {{ metric_absent(declared[window.metric], table ~ '.' ~ window.column) }} as {{ window.column }},
        {%- endfor %}

        -- derived from them
        {{ money_mean('order_metrics.revenue__all', 'order_metrics.orders__all') }} as monetary_mean,
        purchase_days.last_purchase_on,
        purchase_days.previous_purchase_on,

        -- flags
        coalesce(order_metrics.orders__all, 0) > 0 as is_buyer
    from eligible_customers
    left join order_metrics
        on
            eligible_customers.as_of = order_metrics.as_of
            and eligible_customers.customer_key = order_metrics.customer_key
    left join event_metrics
        on
            eligible_customers.as_of = event_metrics.as_of
            and eligible_customers.customer_key = event_metrics.customer_key
    left join session_metrics
        on
            eligible_customers.as_of = session_metrics.as_of
            and eligible_customers.customer_key = session_metrics.customer_key
    left join ticket_metrics
        on
            eligible_customers.as_of = ticket_metrics.as_of
            and eligible_customers.customer_key = ticket_metrics.customer_key
    left join purchase_days
        on
            eligible_customers.as_of = purchase_days.as_of
            and eligible_customers.customer_key = purchase_days.customer_key
)

select * from features
