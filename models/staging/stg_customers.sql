{{ config(schema='restricted') }}

with source as (
    select * from {{ ref('base_customers') }}
),

loaded as (
    select
        -- ids
        record_id,
        source_system,
        customer_ref,

        -- direct identifiers
        email,
        phone,
        given_name,
        family_name,
        street,
        birth_date,
        birth_date_text,

        -- place
        city,
        postcode,
        region,
        country,

        -- demographics
        gender,
        age_band,
        income_band,
        household_size,
        loyalty_tier,

        -- dates
        created_at,
        updated_at,
        loaded_at,
        first_loaded_at,

        -- flags
        coalesce(is_internal, false) as is_internal,
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
