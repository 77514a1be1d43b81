-- One row per ticket, review, survey answer, post, campaign contact or response of an eligible customer. The text of
-- a ticket stays in the restricted schema.

{% set sources = {
    'stg_tickets': {'day': 'opened_on', 'kind': 'channel', 'rating': 'rating'},
    'stg_campaign_contacts': {'day': 'contacted_on', 'kind': "'campaign_contact'"},
    'stg_campaign_responses': {'day': 'responded_on', 'kind': "'campaign_response'"},
} -%}

with customer_references as (
    {{ eligible_references() | indent(4) }}
),

touchpoints as (
    {% for table, columns in sources.items() -%}
    select
        source_system,
        customer_ref,
        {{ columns.day }} as day,
        {{ columns.kind }} as kind,
        {{ columns.rating or 'cast(null as decimal(18, 2))' }} as rating
    from {{ ref(table) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

customer_touchpoints as (
    select
        customer_references.customer_key,
        touchpoints.day,
        touchpoints.kind,
        touchpoints.rating
    from touchpoints
    inner join customer_references
        on
            touchpoints.source_system = customer_references.source_system
            and touchpoints.customer_ref = customer_references.customer_ref
    where touchpoints.day is not null
)

select * from customer_touchpoints
