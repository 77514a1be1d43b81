-- Every raw CRM record with explicit types and its one fate: loaded, deduplicated or quarantined.
--
-- A birth date has to be possible, readable by one declared format, and plausible: an age above 0 and at most var
-- oldest_plausible_age when the row was loaded or last changed, or at as_of if neither is known. The original text is kept
-- as birth_date_text: two records with the same impossible date may still be one person.

{% set as_of = setting('as_of') -%}
{% set too_old = dbt.dateadd('year', -setting('oldest_plausible_age'), 'attributed_from') -%}

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'customers') }}
),

as_of_date as (
    select
        cast({{ "max(date '" ~ as_of ~ "')" if as_of else dbt.dateadd('day', 1, 'max(ordered_on)') }} as date) as as_of
    from {{ ref('base_orders') }}
    where fate = 'loaded' and status = 'completed'
),

typed as {{ not_materialized() }} (
    select
        -- ids
        {{ safe_reference(to_key('record_id')) }} as record_id,
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        {{ safe_reference('coalesce(' ~ to_key('customer_ref') ~ ', ' ~ to_key('record_id') ~ ')') }} as customer_ref,

        -- direct identifiers
        {{ to_text('email') }} as raw_email,
        {{ to_text('phone') }} as phone,
        {{ to_text('given_name') }} as given_name,
        {{ to_text('family_name') }} as family_name,
        {{ to_text('street') }} as street,
        birth_date as raw_birth_date,
        {{ to_text('birth_date') }} as birth_date_text,

        -- place
        {{ to_text('city') }} as city,
        {{ to_text('postcode') }} as postcode,
        {{ to_text('region') }} as region,
        {{ to_text('country') }} as country,

        -- demographics
        {{ to_text('gender') }} as gender,
        {{ to_text('age_band') }} as age_band,
        {{ to_text('income_band') }} as income_band,
        {{ to_text('household_size') }} as household_size,
        {{ to_text('loyalty_tier') }} as loyalty_tier,

        -- dates
        created_at as raw_created_at,
        {{ plausible_instant(to_instant('created_at')) }} as created_at,
        updated_at as raw_updated_at,
        {{ plausible_instant(to_instant('updated_at')) }} as updated_at,
        loaded_at as raw_loaded_at,
        {{ plausible_instant(to_instant('loaded_at')) }} as loaded_at,

        -- flags
        is_internal as raw_is_internal,
        {{ to_boolean('is_internal') }} as is_internal,
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key(['record_id', 'customer_ref']) }} as has_inexact_key
    from source
),

dated as {{ not_materialized() }} (
    select
        typed.*,
        case when {{ is_email('typed.raw_email') }} then typed.raw_email end as email,
        {{ to_date('typed.raw_birth_date', 'typed.source_system') }} as possible_birth_date,
        coalesce(
            {{ local_date('coalesce(typed.loaded_at, typed.updated_at, typed.created_at)') }}, as_of_date.as_of
        ) as attributed_from
    from typed
    cross join as_of_date
),

plausible as {{ not_materialized() }} (
    select
        *,
        case
            when possible_birth_date >= attributed_from then null
            when possible_birth_date < {{ too_old }} then null
            else possible_birth_date
        end as birth_date
    from dated
),

judged as {{ not_materialized() }} (
    select
        *,
        {{ unusable_fields(
            {
                'email': 'raw_email',
                'birth_date': 'raw_birth_date',
                'created_at': 'raw_created_at',
                'updated_at': 'raw_updated_at',
                'loaded_at': 'raw_loaded_at',
                'is_internal': 'raw_is_internal'
            },
            reasons={
                'ambiguous_birth_date': is_ambiguous_date('raw_birth_date', 'source_system'),
                'implausible_birth_date': 'possible_birth_date is not null and birth_date is null'
            }
        ) }} as unusable_fields,
        case when has_inexact_key then 'inexact_key' when record_id is null then 'missing_record_id' end as failed_rule
    from plausible
),

{{ row_fates(
    'judged',
    key=['record_id', 'source_system'],
    content=[
        'customer_ref', 'email', 'phone', 'given_name', 'family_name', 'street', 'birth_date', 'city', 'postcode',
        'region', 'country', 'gender', 'age_band', 'income_band', 'household_size', 'loyalty_tier', 'created_at',
        'updated_at', 'is_internal'
    ],
    loaded_at='loaded_at',
    uncompared=['loaded_at', 'birth_date_text', 'is_synthetic', 'unusable_fields']
) }}

select * from fates
