-- Nothing on or after as_of is used: neither customers who were unknown then nor later activity.

with customers as (
    select * from {{ ref('int_identity__customers_resolved') }}
),

customer_references as (
    select * from {{ ref('int_identity__references') }}
),

orders as (
    select * from {{ ref('stg_orders') }}
),

events as (
    select * from {{ ref('stg_events') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_current
),

last_days as (
    {% for table, day in {'orders': 'ordered_on', 'events': 'occurred_on'}.items() -%}
    select
        {{ table }}.source_system,
        {{ table }}.customer_ref,
        max({{ table }}.{{ day }}) as last_active_on
    from {{ table }}
    inner join periods on {{ table }}.{{ day }} < periods.as_of
    where {{ table }}.customer_ref is not null
    group by {{ table }}.source_system, {{ table }}.customer_ref
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

activity as (
    select
        customer_references.customer_key,
        max(last_days.last_active_on) as last_active_on
    from last_days
    inner join customer_references
        on
            last_days.source_system = customer_references.source_system
            and last_days.customer_ref = customer_references.customer_ref
    group by customer_references.customer_key
),

final as (
    select
        -- ids
        customers.customer_id,

        -- dates
        case when customers.first_seen_on < periods.as_of then customers.first_seen_on end as first_seen_on,
        activity.last_active_on as last_seen_on,

        -- demographics
        customers.gender,
        customers.age_band,
        customers.income_band,
        customers.household_size,
        customers.loyalty_tier,
        customers.city,
        customers.region,
        customers.country,

        -- numbers
        customers.records,

        -- flags
        customers.is_synthetic,
        customers.is_excluded,
        customers.exclusion_reason,
        customers.segmentation_consent,
        customers.activation_consent,
        customers.is_held_out,
        customers.may_be_contacted
    from customers
    inner join periods on customers.known_from < periods.as_of or customers.known_from is null
    left join activity on customers.customer_key = activity.customer_key
)

select * from final
