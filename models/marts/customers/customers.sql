with customers as (
    select * from {{ ref('int_identity__customers') }}
),

final as (
    select
        -- ids
        customer_id,

        -- dates
        first_seen_on,
        last_seen_on,

        -- demographics
        gender,
        age_band,
        income_band,
        household_size,
        loyalty_tier,
        city,
        region,
        country,

        -- numbers
        records,

        -- flags
        is_excluded,
        exclusion_reason,
        segmentation_consent,
        activation_consent
    from customers
)

select * from final
