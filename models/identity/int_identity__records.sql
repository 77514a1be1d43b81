-- One row per source record that has not been erased, with the customer it belongs to. A person who asked to be forgotten is
-- in no table from here on, with all linked records.

{{ config(post_hook="{{ customer_segmentation.forget_erased_records() }}") }}

with identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

merged as (
    select * from {{ ref('int_identity__merges') }}
),

calendar as (
    select * from {{ ref('int_staging__calendar') }}
),

activity as (
    select * from {{ ref('int_identity__activity') }}
),

erasure_requests as (
    select * from {{ ref('stg_erasure_requests') }}
),

tombstones as (
    select * from {{ ref('stg_tombstones') }}
),

people as (
    select
        merged.left_key as record_key,
        merged.right_key as person_key
    from merged
    inner join calendar on merged.as_of = calendar.as_of and calendar.is_current
    where merged.part = 'member'
),

records as (
    select
        identifiers.*,
        -- A record without links is a person of its own.
        coalesce(people.person_key, identifiers.record_key) as person_key
    from identifiers
    left join people on identifiers.record_key = people.record_key
),

-- A request names a customer_ref, the id of a record or an e-mail address; the person is erased with all linked records.
requests_by_reference as (
    select
        erasure_requests.source_system,
        erasure_requests.customer_ref,
        records.person_key
    from erasure_requests
    inner join records
        on
            erasure_requests.source_system = records.source_system
            and erasure_requests.customer_ref = records.customer_ref
),

other_requests as (
    select
        erasure_requests.source_system,
        erasure_requests.customer_ref
    from erasure_requests
    left join requests_by_reference
        on
            erasure_requests.source_system = requests_by_reference.source_system
            and erasure_requests.customer_ref = requests_by_reference.customer_ref
    where requests_by_reference.person_key is null
),

requests_by_record as (
    select records.person_key
    from other_requests
    inner join records
        on
            other_requests.source_system = records.source_system
            and other_requests.customer_ref = records.record_id
),

-- An e-mail address is the same in every system.
people_by_email as (
    select
        email_key,
        min(person_key) as person_key,
        case when count(created_at) = count(*) then min({{ local_date('created_at') }}) end as created_on
    from records
    where email is not null and is_email_of_one
    group by email_key
    having count(distinct person_key) = 1
),

-- The address of an erased person stays erased: it may come back with an old record of another id or system. Records made
-- after the erasure are of someone who came back, or of another person.
requests_by_email as (
    select people_by_email.person_key
    from other_requests
    inner join people_by_email on other_requests.customer_ref = people_by_email.email_key
    union distinct
    select people_by_email.person_key
    from tombstones
    inner join people_by_email
        on
            tombstones.reference = people_by_email.email_key
            and coalesce(tombstones.erased_on >= people_by_email.created_on, true)
),

erased_people as (
    select person_key from requests_by_reference
    union
    select person_key from requests_by_record
    union
    select person_key from requests_by_email
),

remembered_records as (
    select records.*
    from records
    left join erased_people on records.person_key = erased_people.person_key
    where erased_people.person_key is null
),

-- The id comes from the person's first record, so it stays stable when records are added. A reference that was active
-- before the first CRM record counted as a record then, and keeps giving the id.
dated_records as (
    select
        record_key,
        source_system,
        record_id,
        first_recorded_at as known_since
    from remembered_records
    union all
    select
        remembered_records.record_key,
        remembered_records.source_system,
        remembered_records.customer_ref as record_id,
        activity.first_active_at as known_since
    from remembered_records
    inner join activity
        on
            remembered_records.source_system = activity.source_system
            and remembered_records.customer_ref = activity.customer_ref
    left join identifiers
        on
            remembered_records.source_system = identifiers.source_system
            and remembered_records.customer_ref = identifiers.record_id
            and remembered_records.customer_ref <> identifiers.customer_ref
    -- The id of another person's record cannot be an id here.
    where identifiers.record_id is null
),

first_of_record as (
    select
        record_key,
        source_system,
        record_id,
        known_since,
        row_number() over (partition by record_key order by known_since nulls last, record_id) as position
    from dated_records
),

identified_records as (
    select
        remembered_records.source_system,
        remembered_records.record_id,
        remembered_records.customer_ref,
        remembered_records.record_key,
        remembered_records.person_key,
        remembered_records.first_recorded_at,
        remembered_records.first_recorded_on,
        remembered_records.created_at,
        remembered_records.is_in_crm,
        remembered_records.is_synthetic,
        first_of_record.known_since,
        -- The id the record would have without links.
        {{ hashed_id(['first_of_record.source_system', 'first_of_record.record_id']) | indent(8) }} as own_customer_id,
        row_number() over (
            partition by remembered_records.person_key
            order by first_of_record.known_since nulls last, first_of_record.source_system, first_of_record.record_id
        ) as position_in_person
    from remembered_records
    inner join first_of_record
        on
            remembered_records.record_key = first_of_record.record_key
            and first_of_record.position = 1
),

customers as (
    select
        person_key,
        own_customer_id as customer_id,
        {{ compact_key('own_customer_id') }} as customer_key
    from identified_records
    where position_in_person = 1
),

final as (
    select
        identified_records.source_system,
        identified_records.record_id,
        identified_records.customer_ref,
        customers.customer_id,
        customers.customer_key,
        identified_records.record_key,
        identified_records.own_customer_id,
        identified_records.known_since,
        identified_records.first_recorded_at,
        identified_records.first_recorded_on,
        identified_records.created_at,
        identified_records.is_in_crm,
        identified_records.is_synthetic
    from identified_records
    inner join customers on identified_records.person_key = customers.person_key
)

select * from final
