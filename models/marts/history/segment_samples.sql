-- The members with the lowest hashes of customer and segment: a sample that looks random and is the same in every build.

with memberships as (
    select * from {{ ref('segment_memberships') }}
),

features as (
    select * from {{ ref('customer_features') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by segment_key
            order by {{ hashed_id(['segment_key', 'customer_id']) }}
        ) as position
    from memberships
),

final as (
    select
        -- ids
        ranked.segment_key,
        ranked.customer_id,
        ranked.as_of,

        -- facts
        ranked.reason,
        features.recency_days,
        features.frequency,
        features.monetary
    from ranked
    inner join features on ranked.customer_id = features.customer_id
    where ranked.position <= {{ whole_number_var('segment_sample_size', 1) }}
)

select * from final
