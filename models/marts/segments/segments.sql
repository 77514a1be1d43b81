with segments as (
    select * from {{ ref('int_segmentation__segments') }}
),

final as (
    select
        -- ids
        segment_key,
        scheme,
        segment,

        -- words
        name,
        definition,
        description,
        owner,
        recommended_action,
        channel,
        offer,

        -- dates
        as_of,
        fitted_as_of,

        -- flags
        is_exclusive
    from segments
)

select * from final
