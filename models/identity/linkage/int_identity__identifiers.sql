-- One row per source record with its normalised identifiers: CRM records, and references seen only in orders, events or
-- log-ins, which count as records. Identifiers that are no evidence of identity are null.
--
-- The hub limit drops an e-mail, phone or address that more people share than a household has: info@, the phone of a shop,
-- a block of flats. People are counted by initial of the given name and birth date.

with crm_records as (
    select * from {{ ref('stg_customers') }}
),

activity as (
    select * from {{ ref('int_identity__activity') }}
),

-- Orders refer to a customer by the record's customer_ref; a record_id in its place means that record.
known_references as (
    select
        source_system,
        customer_ref
    from crm_records
    union distinct
    select
        source_system,
        record_id as customer_ref
    from crm_records
),

records as (
    select
        source_system,
        record_id,
        customer_ref,
        least(first_loaded_at, created_at) as first_recorded_at,
        created_at,
        true as is_in_crm,
        is_synthetic,
        {% for field in ['given_name', 'family_name', 'email', 'street', 'postcode'] -%}
        {{ folded_text(field) }} as {{ field }},
        {% endfor -%}
        phone,
        birth_date,
        birth_date_text,
        {{ has_mixed_scripts('given_name') }} or {{ has_mixed_scripts('family_name') }} as has_mixed_scripts
    from crm_records
    union all
    select
        activity.source_system,
        activity.customer_ref as record_id,
        activity.customer_ref,
        activity.first_active_at as first_recorded_at,
        null as created_at,
        false as is_in_crm,
        activity.is_synthetic,
        {% for field in [
            'given_name', 'family_name', 'email', 'street', 'postcode', 'phone', 'birth_date', 'birth_date_text'
        ] -%}
        null as {{ field }},
        {% endfor -%}
        false as has_mixed_scripts
    from activity
    left join known_references
        on
            activity.source_system = known_references.source_system
            and activity.customer_ref = known_references.customer_ref
    where known_references.customer_ref is null
),

plain as (
    select
        *,
        {{ plain_words('given_name') }} as plain_given_name,
        {{ plain_words('family_name') }} as plain_family_name,
        {{ plain_words('street') }} as plain_street,
        nullif({{ regex_replace('birth_date_text', '[^0-9]', '') }}, '') as birth_date_digits
    from records
),

normalised as (
    select
        {{ compact_key(hashed_id(['source_system', 'record_id'])) | indent(8) }} as record_key,
        {{ compact_key(hashed_id(['source_system', 'customer_ref'])) | indent(8) }} as reference_key,
        source_system,
        record_id,
        customer_ref,
        first_recorded_at,
        created_at,
        is_in_crm,
        is_synthetic,
        plain_given_name as given_name,
        plain_family_name as family_name,
        -- An unreadable date still has digits to compare. Year first, it has the form of a date: 1985-13-07 is one edit from
        -- 1985-12-07.
        coalesce(
            cast(birth_date as {{ dbt.type_string() }}),
            case
                when {{ regex_matches('birth_date_text', '^[0-9]{4}[^0-9]?[0-9]{2}[^0-9]?[0-9]{2}$') }}
                    then
                        left(birth_date_digits, 4) || '-' || substr(birth_date_digits, 5, 2) || '-'
                        || right(birth_date_digits, 2)
                else birth_date_digits
            end
        ) as birth_date,
        birth_date is not null as has_readable_birth_date,
        {{ normalised_email('email') }} as stated_email,
        {{ normalised_phone('phone') }} as phone,
        {{ normalised_street('plain_street') }} || ' ' || {{ normalised_postcode('postcode') }} as address,
        {{ normalised_postcode('postcode') }} as postcode,
        has_mixed_scripts
    from plain
),

keyed as (
    select
        *,
        coalesce(
            {{ hashed_reference('stated_email') }},
            case when {{ is_email_reference('customer_ref') }} then customer_ref end
        ) as email_key
    from normalised
),

addresses as (
    select
        email_key,
        min(stated_email) as email
    from keyed
    where stated_email is not null
    group by email_key
),

-- Of an order by e-mail only the hash of the address is known. Where a CRM record has the address, that is the e-mail of the
-- order's reference too; elsewhere the hash stands for it.
addressed as (
    select
        keyed.*,
        coalesce(addresses.email, keyed.email_key) as email
    from keyed
    left join addresses on keyed.email_key = addresses.email_key
),

{% for identifier in ['email', 'phone', 'address'] -%}
{{ identifier }}_users as (
    select
        {{ identifier }},
        count(distinct nullif(coalesce(left(given_name, 1), '') || coalesce(birth_date, ''), '')) as people,
        count(distinct left(given_name, 1)) as initials
    from addressed
    where {{ identifier }} is not null
    group by {{ identifier }}
),

{% endfor -%}
identifiers as (
    select
        addressed.record_key,
        addressed.reference_key,
        addressed.source_system,
        addressed.record_id,
        addressed.customer_ref,
        addressed.first_recorded_at,
        {{ local_date('addressed.first_recorded_at') }} as first_recorded_on,
        addressed.created_at,
        addressed.is_in_crm,
        addressed.is_synthetic,
        addressed.given_name,
        addressed.family_name,
        addressed.birth_date,
        addressed.has_readable_birth_date,
        {% for identifier in ['email', 'phone', 'address'] -%}
        case
            when
                {{ identifier }}_users.people <= {{ setting('identity_hub_limit') }}
                {{ 'and ' ~ is_email_reference('addressed.email_key') if identifier == 'email' }}
                then addressed.{{ identifier }}
        end as {{ identifier }},
        {% endfor -%}
        addressed.email_key,
        email_users.initials <= 1 as is_email_of_one,
        addressed.postcode,
        addressed.has_mixed_scripts
    from addressed
    -- Most references have no identifier. Joined by null, all of them would be in one part of a join, which then can't be spilled.
    {% for identifier in ['email', 'phone', 'address'] -%}
    left join {{ identifier }}_users
        on
            coalesce(addressed.{{ identifier }}, cast(addressed.record_key as {{ dbt.type_string() }}))
            = {{ identifier }}_users.{{ identifier }}
    {% endfor %}
)

select * from identifiers
