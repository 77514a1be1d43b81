-- One row per customer: the best known facts of its records, its consents, and whether it may be segmented.
--
-- The newest record that has a fact gives it. Consent is read as it stands, not as it stood at as_of: a withdrawal
-- recorded after as_of still excludes.

with records as (
    select * from {{ ref('int_identity__records') }}
),

customer_references as (
    select * from {{ ref('int_identity__references') }}
),

crm_records as (
    select * from {{ ref('stg_customers') }}
),

consents as (
    select * from {{ ref('stg_consents') }}
),

orders as (
    select
        source_system,
        customer_ref,
        min(ordered_on) as first_ordered_on
    from {{ ref('stg_orders') }}
    where customer_ref is not null
    group by source_system, customer_ref
),

events as (
    select
        source_system,
        customer_ref,
        min(occurred_on) as first_event_on
    from {{ ref('stg_events') }}
    where customer_ref is not null
    group by source_system, customer_ref
),

facts as (
    select
        records.customer_key,
        crm_records.*,
        row_number() over (
            partition by records.customer_key
            order by
                coalesce(crm_records.updated_at, crm_records.created_at, crm_records.loaded_at) desc nulls last,
                crm_records.source_system asc,
                crm_records.record_id asc
        ) as position
    from records
    inner join crm_records
        on
            records.source_system = crm_records.source_system
            and records.record_id = crm_records.record_id
),

{% set fields = [
    'gender', 'age_band', 'income_band', 'household_size', 'loyalty_tier', 'city', 'postcode', 'region', 'country'
] -%}
best_facts as (
    select
        customer_key,
        {% for field in fields -%}
        min_by({{ field }}, position) filter (where {{ field }} is not null) as {{ field }},
        {% endfor -%}
        max(is_internal) as is_internal
    from facts
    group by customer_key
),

people as (
    select
        customer_key,
        customer_id,
        count(*) as records,
        min({{ local_date('created_at') }}) as first_created_on,
        max(case when is_in_crm and created_at is null then 1 else 0 end) = 1 as is_of_unknown_age
    from records
    group by customer_key, customer_id
),

activity as (
    select
        customer_references.customer_key,
        min(least(orders.first_ordered_on, events.first_event_on)) as first_active_on
    from customer_references
    left join orders
        on
            customer_references.source_system = orders.source_system
            and customer_references.customer_ref = orders.customer_ref
    left join events
        on
            customer_references.source_system = events.source_system
            and customer_references.customer_ref = events.customer_ref
    group by customer_references.customer_key
),

-- The latest statement of any of the person's records counts; in a tie, withdrawn. A withdrawal whose date can't be
-- read is taken for the latest.
latest_consents as (
    select
        customer_references.customer_key,
        consents.purpose,
        consents.granted,
        row_number() over (
            partition by customer_references.customer_key, consents.purpose
            order by
                consents.recorded_at is null and not consents.granted desc,
                consents.recorded_at desc nulls last,
                consents.granted asc
        ) as position
    from consents
    inner join customer_references
        on
            consents.source_system = customer_references.source_system
            and consents.customer_ref = customer_references.customer_ref
),

consents_in_force as (
    select
        customer_key,
        max(case when purpose = 'segmentation' then granted end) as segmentation_consent,
        max(case when purpose = 'activation' then granted end) as activation_consent
    from latest_consents
    where position = 1
    group by customer_key
),

customers as (
    select
        people.customer_key,
        people.customer_id,
        cast(people.records as integer) as records,
        {% for field in fields -%}
        best_facts.{{ field }},
        {% endfor -%}
        consents_in_force.segmentation_consent,
        consents_in_force.activation_consent,
        least(people.first_created_on, activity.first_active_on) as first_seen_on,
        -- A CRM record that doesn't say when it was created may have been there always, whenever it was loaded. An order
        -- that comes later must not make its customer unknown before.
        case
            when not people.is_of_unknown_age then least(people.first_created_on, activity.first_active_on)
        end as known_from,
        case
            when best_facts.is_internal then 'internal'
            when consents_in_force.segmentation_consent = false then 'consent_withdrawn'
            when
                '{{ var("segmentation_consent") }}' = 'opt_in' and consents_in_force.segmentation_consent is null
                then 'no_consent'
        end as exclusion_reason
    from people
    left join activity on people.customer_key = activity.customer_key
    left join best_facts on people.customer_key = best_facts.customer_key
    left join consents_in_force on people.customer_key = consents_in_force.customer_key
)

select
    *,
    exclusion_reason is not null as is_excluded
from customers
