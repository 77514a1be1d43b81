-- One row per customer: surviving values, consents, and whether the customer may be segmented and contacted.
--
-- The current consent counts, not the one at as_of: a withdrawal recorded after as_of still excludes.

with records as (
    select * from {{ ref('int_identity__records') }}
),

customer_references as (
    select * from {{ ref('int_identity__references') }}
),

golden_records as (
    select * from {{ ref('int_identity__golden_records') }}
),

consents as (
    select * from {{ ref('int_identity__consents') }}
),

first_activity as (
    select * from {{ ref('int_identity__activity') }}
),

{% set fields = [
    'gender', 'age_band', 'income_band', 'household_size', 'loyalty_tier', 'city', 'postcode', 'region', 'country'
] -%}
people as (
    select
        customer_key,
        customer_id,
        count(*) as records,
        min(is_synthetic) as is_synthetic,
        min({{ local_date('created_at') }}) as first_created_on,
        max(case when is_in_crm and created_at is null then 1 else 0 end) = 1 as is_of_unknown_age
    from records
    group by customer_key, customer_id
),

activity as (
    select
        customer_references.customer_key,
        min({{ local_date('first_activity.first_active_at') }}) as first_active_on,
        min(first_activity.is_synthetic) as is_synthetic
    from customer_references
    inner join first_activity
        on
            customer_references.source_system = first_activity.source_system
            and customer_references.customer_ref = first_activity.customer_ref
    group by customer_references.customer_key
),

consents_in_force as (
    select
        customer_key,
        max(case when purpose = 'segmentation' then granted end) as segmentation_consent,
        max(case when purpose = 'activation' then granted end) as activation_consent
    from consents
    where next_stated_on is null
    group by customer_key
),

customers as (
    select
        people.customer_key,
        people.customer_id,
        cast(people.records as integer) as records,
        people.is_synthetic and coalesce(activity.is_synthetic, true) as is_synthetic,
        {% for field in fields -%}
        golden_records.{{ field }},
        {% endfor -%}
        consents_in_force.segmentation_consent,
        consents_in_force.activation_consent,
        {{ is_held_out('people.customer_id') | indent(8) }} as is_held_out,
        people.first_created_on as signed_up_on,
        least(people.first_created_on, activity.first_active_on) as first_seen_on,
        -- A CRM record without a creation date may have existed all along, whenever it was loaded. A later order must not
        -- make its customer unknown before that order.
        case
            when not people.is_of_unknown_age then least(people.first_created_on, activity.first_active_on)
        end as known_from,
        case
            when golden_records.is_internal then 'internal'
            when consents_in_force.segmentation_consent = false then 'consent_withdrawn'
            when
                '{{ var("segmentation_consent") }}' = 'opt_in' and consents_in_force.segmentation_consent is null
                then 'no_consent'
        end as exclusion_reason
    from people
    left join activity on people.customer_key = activity.customer_key
    left join golden_records on people.customer_key = golden_records.customer_key
    left join consents_in_force on people.customer_key = consents_in_force.customer_key
)

select
    *,
    exclusion_reason is not null as is_excluded,
    exclusion_reason is null
    and not is_held_out
    and coalesce(activation_consent, '{{ var("activation_consent") }}' = 'opt_out') as may_be_contacted
from customers
