-- One row per as_of and eligible customer known before it: the wide table of features.
--
-- A customer without rows in a metric's table gets the metric's default, 0 or null: without it, a rule such as "at most 0
-- orders" would miss customers without orders.

{% set windows = wide_table_windows() -%}
{% set parts = score_parts() -%}
{#- A score is the mean of the known parts by their weights, or the sum of parts without weights. -#}
{% set weighted, known = {}, {} -%}
{% for part in parts -%}
{% set value, weight = part.column, part.weight -%}
{% if weight is none -%}
{% do weighted.setdefault(part.score, []).append(value) -%}
{% else -%}
{% do weighted.setdefault(part.score, []).append('coalesce(' ~ weight ~ ' * ' ~ value ~ ', 0)') -%}
{% do known.setdefault(part.score, []).append('case when ' ~ value ~ ' is null then 0 else ' ~ weight ~ ' end') -%}
{% endif -%}
{% endfor -%}
{% set tables = windows | map(attribute='table') | unique | list -%}

with customers as {{ not_materialized() }} (
    select * from {{ ref('int_identity__customers_resolved') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_built
),

consents as (
    select
        {%- for purpose in consent_purposes() %}
        max(
            case
                when consents.purpose = '{{ purpose }}'
                    then case when consents.granted then 'granted' else 'withdrawn' end
            end
        ) as consent_to_{{ purpose }},
        {%- endfor %}
        periods.as_of,
        consents.customer_key
    from periods
    inner join {{ ref('int_identity__consents') }} as consents
        on
            periods.as_of > consents.stated_on
            and (periods.as_of <= consents.next_stated_on or consents.next_stated_on is null)
    group by periods.as_of, consents.customer_key
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

{% if reads_birthdays() -%}
birthdays as (
    select
        customer_key,
        birth_date
    from {{ ref('int_identity__golden_records') }}
),

{% endif -%}
{% for table in tables -%}
{{ table }}_metrics as (
    {{ metric_table_windows(table, windows, 'periods') | indent(4) }}
),

{% endfor -%}
buyers as (
    select
        orders_metrics.*,
        customers.loyalty_tier
    from orders_metrics
    inner join customers on orders_metrics.customer_key = customers.customer_key
    where orders_metrics.purchase_days__all > 0 and not customers.is_excluded
),

all_buyers as (
    select
        {%- for column, value in buyers_columns().items() %}
        {{ value }} as {{ column }},
        {%- endfor %}
        as_of
    from buyers
    group by as_of
),

dates_with_events as (
    select distinct as_of
    from sessions_metrics
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
        {%- for purpose in consent_purposes() %}
        coalesce(consents.consent_to_{{ purpose }}, 'unstated') as consent_to_{{ purpose }},
        {%- endfor %}

        -- days from or to a date
        case
            when eligible_customers.signed_up_on < eligible_customers.as_of
                then {{ dbt.datediff('eligible_customers.signed_up_on', 'eligible_customers.as_of', 'day') }}
        end as signed_up_days,
        {%- if reads_birthdays() %}
        {{ days_to_anniversary('birthdays.birth_date', 'eligible_customers.as_of') }} as birthday_in_days,
        {%- endif %}

        -- metrics over windows
        {%- for window in windows %}
        {{ metric_absent(window, window.table ~ '_metrics.' ~ window.column) }} as {{ window.column }},
        {%- endfor %}

        -- derived from them
        {{ money_mean('orders_metrics.revenue__all', 'orders_metrics.orders__all') }} as monetary_mean,
        interests.top_category,
        interests.categories,
        interests.variety,
        interests.discount_affinity,

        -- all buyers
        {%- for column in buyers_columns() %}
        all_buyers.{{ column }},
        {%- endfor %}

        -- flags
        coalesce(orders_metrics.orders__all, 0) > 0 as is_buyer,
        case
            when orders_metrics.customer_key is null then 'prospect'
            when coalesce(orders_metrics.orders__all, 0) = 0 then 'returns_only'
        end as non_buyer,
        dates_with_events.as_of is not null as has_events
    from eligible_customers
    left join consents
        on
            eligible_customers.as_of = consents.as_of
            and eligible_customers.customer_key = consents.customer_key
    left join interests
        on
            eligible_customers.as_of = interests.as_of
            and eligible_customers.customer_key = interests.customer_key
    {%- if reads_birthdays() %}
    left join birthdays on eligible_customers.customer_key = birthdays.customer_key
    {%- endif %}
    {%- for table in tables %}
    left join {{ table }}_metrics
        on
            eligible_customers.as_of = {{ table }}_metrics.as_of
            and eligible_customers.customer_key = {{ table }}_metrics.customer_key
    {%- endfor %}
    left join dates_with_events on eligible_customers.as_of = dates_with_events.as_of
    left join all_buyers on eligible_customers.as_of = all_buyers.as_of
),

valued as (
    select
        {%- for part in parts %}
        {{ part.value }} as {{ part.column }},
        {%- endfor %}
        {{ rounded(recency_in_own_gaps()) }} as recency_gaps,
        features.*
    from features
),

scored as (
    select
        {%- for name in score_names() %}
        {%- set divisor = 'nullif(' ~ known[name] | join(' + ') ~ ', 0.0)' if name in known else '1.0' %}
        {{ rounded('(' ~ weighted[name] | join(' + ') ~ ') / ' ~ divisor) }}
            as {{ name }},
        {%- endfor %}
        valued.*
    from valued
)

select * from scored
