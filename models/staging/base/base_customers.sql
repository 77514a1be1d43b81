-- Every raw CRM record with explicit types and its one fate: loaded, deduplicated or quarantined.

with source as {{ read_again() }} (
    select * from {{ source('input', 'customers') }}
),

typed as {{ read_again() }} (
    select
        -- ids
        {{ safe_reference(to_text('record_id')) }} as record_id,
        coalesce({{ to_text('source_system') }}, 'default') as source_system,
        {{ safe_reference('coalesce(' ~ to_text('customer_ref') ~ ', ' ~ to_text('record_id') ~ ')') }} as customer_ref,

        -- direct identifiers
        {{ to_text('email') }} as email,
        {{ to_text('phone') }} as phone,
        {{ to_text('given_name') }} as given_name,
        {{ to_text('family_name') }} as family_name,
        {{ to_text('street') }} as street,
        birth_date as raw_birth_date,
        {{ try_cast('birth_date', 'date') }} as birth_date,

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
        {{ to_instant('created_at') }} as created_at,
        updated_at as raw_updated_at,
        {{ to_instant('updated_at') }} as updated_at,
        loaded_at as raw_loaded_at,
        {{ to_instant('loaded_at') }} as loaded_at,

        -- flags
        is_internal as raw_is_internal,
        {{ to_boolean('is_internal') }} as is_internal,
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic
    from source
),

judged as {{ read_again() }} (
    select
        *,
        {{ unusable_fields({
            'birth_date': 'raw_birth_date',
            'created_at': 'raw_created_at',
            'updated_at': 'raw_updated_at',
            'loaded_at': 'raw_loaded_at',
            'is_internal': 'raw_is_internal'
        }) }} as unusable_fields,
        case when record_id is null then 'missing_record_id' end as failed_rule
    from typed
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
    uncompared=['loaded_at', 'is_synthetic', 'unusable_fields']
) }}

select * from fates
