-- One row per as_of and eligible customer known before it: the wide table of features.
--
-- A customer without rows in a metric's table gets the value that the metric declares for that, 0 or null: without
-- it, a rule such as "at most 0 orders" would miss everyone who never ordered.

{% set declared = metrics() -%}
{% set windows = wide_table_windows() -%}
{% set parts = score_parts() -%}
{% set joined_tables = ['purchase_days', 'interests'] -%}

with customers as (
    select * from {{ ref('int_identity__customers') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_built
),

{% for table in metric_tables() -%}
{% do joined_tables.append(table[:-1] ~ '_metrics') -%}
{{ table[:-1] }}_metrics as (
    select * from {{ ref('int_features__' ~ table[:-1] ~ '_metrics') }}
),

{% endfor -%}

purchase_days as (
    select * from {{ ref('int_features__purchase_days') }}
),

interests as (
    select
        as_of,
        customer_key,
        max(case when rank = 1 then category end) as top_category,
        count(category) as categories,
        {{ rounded('-sum(case when spend_share > 0 then spend_share * ln(spend_share) end)') }} as variety,
        {{ rounded('sum(discounted_lines) / nullif(cast(sum(lines) as double), 0)') }} as discount_affinity
    from {{ ref('int_features__interests') }}
    group by as_of, customer_key
),

dates_with_events as (
    select distinct as_of
    from session_metrics
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
        interests.top_category,
        interests.categories,
        interests.variety,
        interests.discount_affinity,

        -- flags
        coalesce(order_metrics.orders__all, 0) > 0 as is_buyer,
        dates_with_events.as_of is not null as has_events
    from eligible_customers
    {%- for joined in joined_tables %}
    left join {{ joined }}
        on
            eligible_customers.as_of = {{ joined }}.as_of
            and eligible_customers.customer_key = {{ joined }}.customer_key
    {%- endfor %}
    left join dates_with_events on eligible_customers.as_of = dates_with_events.as_of
),

scored as (
    select
        *,
        {%- for name in score_names() %}
        {{ score(name, parts) | indent(8) }} as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from features
)

select * from scored
