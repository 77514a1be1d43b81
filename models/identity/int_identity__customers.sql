-- One row per customer: the best known facts of its records, its consents, and whether it may be segmented.
--
-- The newest record that has a fact gives it. Consent is read as it stands, not as it stood at as_of: a withdrawal
-- recorded after as_of still excludes.

with records as (
    select * from {{ ref('int_identity__records') }}
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
        min(ordered_on) as first_ordered_on,
        max(ordered_on) as last_ordered_on
    from {{ ref('stg_orders') }}
    where customer_ref is not null
    group by source_system, customer_ref
),

events as (
    select
        source_system,
        customer_ref,
        min(occurred_on) as first_event_on,
        max(occurred_on) as last_event_on
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
        max(is_internal) as is_internal,
        min(created_at) as first_created_at
    from facts
    group by customer_key
),

references_seen as (
    select
        source_system,
        customer_ref,
        customer_key,
        max(customer_id) as customer_id,
        count(*) as records
    from records
    group by source_system, customer_ref, customer_key
),

activity as (
    select
        references_seen.customer_key,
        max(references_seen.customer_id) as customer_id,
        sum(references_seen.records) as records,
        min(least(orders.first_ordered_on, events.first_event_on)) as first_active_on,
        max(greatest(orders.last_ordered_on, events.last_event_on)) as last_active_on
    from references_seen
    left join orders
        on
            references_seen.source_system = orders.source_system
            and references_seen.customer_ref = orders.customer_ref
    left join events
        on
            references_seen.source_system = events.source_system
            and references_seen.customer_ref = events.customer_ref
    group by references_seen.customer_key
),

-- The latest statement of any of the person's records counts; in a tie, withdrawn.
latest_consents as (
    select
        references_seen.customer_key,
        consents.purpose,
        consents.granted,
        row_number() over (
            partition by references_seen.customer_key, consents.purpose
            order by consents.recorded_at desc, consents.granted asc
        ) as position
    from consents
    inner join references_seen
        on
            consents.source_system = references_seen.source_system
            and consents.customer_ref = references_seen.customer_ref
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
        activity.customer_key,
        activity.customer_id,
        cast(activity.records as integer) as records,
        {% for field in fields -%}
        best_facts.{{ field }},
        {% endfor -%}
        consents_in_force.segmentation_consent,
        consents_in_force.activation_consent,
        least({{ local_date('best_facts.first_created_at') }}, activity.first_active_on) as first_seen_on,
        activity.last_active_on as last_seen_on,
        case
            when best_facts.is_internal then 'internal'
            when consents_in_force.segmentation_consent = false then 'consent_withdrawn'
            when
                '{{ var("segmentation_consent") }}' = 'opt_in' and consents_in_force.segmentation_consent is null
                then 'no_consent'
        end as exclusion_reason
    from activity
    left join best_facts on activity.customer_key = best_facts.customer_key
    left join consents_in_force on activity.customer_key = consents_in_force.customer_key
)

select
    *,
    exclusion_reason is not null as is_excluded
from customers
