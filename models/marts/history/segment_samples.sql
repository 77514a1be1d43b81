-- The members with the lowest hashes of customer and segment: a sample that looks random and is the same in every build.
-- Hashing millions takes long, so in a large segment only some of the members are hashed.
--
-- Reasons are written only for sampled members.

{% set sample_size = setting('segment_sample_size') -%}

with memberships as {{ not_materialized() }} (
    select * from {{ ref('int_segmentation__memberships') }}
),

customers as {{ not_materialized() }} (
    select * from {{ ref('int_segmentation__customers_predicted') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_current
),

cutpoints as (
    {{ cuts_in_force() | indent(4) }}
),

current_memberships as {{ not_materialized() }} (
    select memberships.*
    from memberships
    inner join periods on memberships.as_of = periods.as_of
),

parts as (
    {{ member_parts('current_memberships', 50 * sample_size) | indent(4) }}
),

ranked as (
    select
        memberships.as_of,
        memberships.customer_key,
        memberships.scheme,
        memberships.segment_key,
        row_number() over (
            partition by memberships.segment_key
            order by {{ hashed_id(['memberships.segment_key', 'customers.customer_id']) }}
        ) as position
    from current_memberships as memberships
    inner join parts
        on
            memberships.segment_key = parts.segment_key
            and {{ is_in_part('memberships.customer_key', 'parts') }}
    inner join customers
        on
            memberships.as_of = customers.as_of
            and memberships.customer_key = customers.customer_key
),

drawn as (
    select *
    from ranked
    where position <= {{ sample_size }}
),

final as (
    select
        -- ids
        drawn.segment_key,
        features.customer_id,
        drawn.as_of,

        -- facts
        {{ membership_reason('drawn', 'features') | indent(8) }} as reason,
        cast(features.recency_days__all as integer) as recency_days,
        features.orders__all as frequency,
        cast(features.revenue__all as decimal(18, 2)) as monetary
    from drawn
    inner join customers as features
        on
            drawn.as_of = features.as_of
            and drawn.customer_key = features.customer_key
    left join cutpoints on drawn.as_of = cutpoints.as_of
)

select * from final
