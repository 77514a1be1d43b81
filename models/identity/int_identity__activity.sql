-- One row per source system and reference that orders, events or log-ins use for a customer, with its first activity.

with orders as (
    select * from {{ ref('stg_orders') }}
),

events as (
    select * from {{ ref('stg_events') }}
),

identity_links as (
    select * from {{ ref('stg_identity_links') }}
),

seen as (
    {% for table, instant in {'orders': 'ordered_at', 'events': 'occurred_at', 'identity_links': 'seen_at'}.items() -%}
    select
        source_system,
        customer_ref,
        min({{ instant }}) as first_active_at,
        min(is_synthetic) as is_synthetic
    from {{ table }}
    where customer_ref is not null
    group by source_system, customer_ref
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

activity as (
    select
        source_system,
        customer_ref,
        min(first_active_at) as first_active_at,
        min(is_synthetic) as is_synthetic
    from seen
    group by source_system, customer_ref
)

select * from activity
