-- One row per ticket, review, survey answer, post, campaign contact or response of an eligible customer. The text of
-- a ticket stays in the restricted schema.
--
-- A contact that is answered on a later date is two rows, unanswered up to that date and answered from then on, so that no
-- figure of an earlier as_of changes.

{% set never = "date '9999-12-31'" -%}
{% set sources = {
    'stg_tickets': {'day': 'opened_on', 'kind': 'channel', 'key': ['source_system', 'ticket_id'], 'rating': 'rating'},
    'stg_campaign_contacts': {'day': 'contacted_on', 'kind': "'campaign_contact'"},
    'stg_campaign_responses': {'day': 'responded_on', 'kind': "'campaign_response'", 'response_type': 'response_type'},
} -%}

with customer_references as (
    {{ eligible_references() | indent(4) }}
),

campaigns as (
    select * from {{ ref('stg_campaigns') }}
),

touchpoints as (
    {% for table, columns in sources.items() -%}
    select
        {{ quick_hash(columns.key or ['campaign_id', columns.kind, columns.day]) }} as touchpoint_key,
        source_system,
        customer_ref,
        {{ 'cast(null as ' ~ dbt.type_string() ~ ')' if columns.key else 'campaign_id' }} as campaign_id,
        {{ columns.day }} as day,
        {{ columns.kind }} as kind,
        {{ columns.response_type or 'cast(null as ' ~ dbt.type_string() ~ ')' }} as response_type,
        {{ columns.rating or 'cast(null as decimal(18, 2))' }} as rating
    from {{ ref(table) }}
    where {{ columns.day }} is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

customer_touchpoints as (
    select
        touchpoints.touchpoint_key,
        customer_references.customer_key,
        touchpoints.campaign_id,
        touchpoints.day,
        touchpoints.kind,
        campaigns.type as campaign_type,
        touchpoints.response_type,
        touchpoints.rating
    from touchpoints
    inner join customer_references
        on
            touchpoints.source_system = customer_references.source_system
            and touchpoints.customer_ref = customer_references.customer_ref
    left join campaigns on touchpoints.campaign_id = campaigns.campaign_id
),

dated as (
    select
        *,
        case
            when kind = 'campaign_contact'
                then
                    min(case when kind = 'campaign_response' then day end) over (
                        partition by customer_key, campaign_id
                        order by {{ day_number() }}
                        range between current row and unbounded following
                    )
        end as answered_on
    from customer_touchpoints
),

states as (
    select
        *,
        day as attributed_from,
        coalesce(answered_on, {{ never }}) as attributed_until,
        case when kind = 'campaign_contact' then false end as is_answered
    from dated
    where answered_on is null or answered_on > day
    union all
    select
        *,
        answered_on as attributed_from,
        {{ never }} as attributed_until,
        true as is_answered
    from dated
    where answered_on is not null
),

final as (
    select
        -- ids
        touchpoint_key,
        customer_key,
        campaign_id,

        -- dates
        day,
        attributed_from,
        attributed_until,

        -- words
        kind,
        campaign_type,
        response_type,

        -- numbers
        rating,

        -- flags
        is_answered
    from states
)

select * from final
