-- One row per as_of and eligible customer known before it: the wide table of features.
--
-- A customer without rows in a metric's table gets the value that the metric declares for that, 0 or null: without
-- it, a rule such as "at most 0 orders" would miss everyone who never ordered.

{% set declared = metrics() -%}
{% set windows = wide_table_windows() -%}
{% set parts = score_parts() -%}
{% set tables = [] -%}
{% for window in windows -%}
{% do tables.append(declared[window.metric].table) -%}
{% endfor -%}

with customers as (
    select * from {{ ref('int_identity__customers_resolved') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_built
),

{% for table in tables | unique | sort -%}
{{ table[:-1] }}_metrics as (
    select * from {{ ref('int_features__' ~ table[:-1] ~ '_metrics') }}
),

{% endfor -%}

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
        interests.top_category,
        interests.categories,
        interests.variety,
        interests.discount_affinity,

        -- flags
        coalesce(order_metrics.orders__all, 0) > 0 as is_buyer,
        dates_with_events.as_of is not null as has_events
    from eligible_customers
    left join order_metrics
        on
            eligible_customers.as_of = order_metrics.as_of
            and eligible_customers.customer_key = order_metrics.customer_key
    left join session_metrics
        on
            eligible_customers.as_of = session_metrics.as_of
            and eligible_customers.customer_key = session_metrics.customer_key
    left join interests
        on
            eligible_customers.as_of = interests.as_of
            and eligible_customers.customer_key = interests.customer_key
    {%- if 'lines' in tables %}
    left join line_metrics
        on
            eligible_customers.as_of = line_metrics.as_of
            and eligible_customers.customer_key = line_metrics.customer_key
    {%- endif %}
    {%- if 'events' in tables %}
    left join event_metrics
        on
            eligible_customers.as_of = event_metrics.as_of
            and eligible_customers.customer_key = event_metrics.customer_key
    {%- endif %}
    {%- if 'touchpoints' in tables %}
    left join touchpoint_metrics
        on
            eligible_customers.as_of = touchpoint_metrics.as_of
            and eligible_customers.customer_key = touchpoint_metrics.customer_key
    {%- endif %}
    {%- if 'tickets' in tables %}
    left join ticket_metrics
        on
            eligible_customers.as_of = ticket_metrics.as_of
            and eligible_customers.customer_key = ticket_metrics.customer_key
    {%- endif %}
    left join dates_with_events on eligible_customers.as_of = dates_with_events.as_of
),

valued as (
    select
        {%- for part in parts %}
        {{ part.value }} as {{ part.column }},
        {%- endfor %}
        features.*
    from features
),

scored as (
    select
        {%- for name in score_names() %}
        {{ score(name, parts) }} as {{ name }},
        {%- endfor %}
        valued.*
    from valued
)

select * from scored
