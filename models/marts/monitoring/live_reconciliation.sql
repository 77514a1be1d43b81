-- What this build doesn't confirm has, as a rule, one of three causes: messages that are not in the raw data yet, a cut point that
-- other customers moved, or references that were linked.

with profiles as (
    select * from {{ ref('stg_live_profiles') }}
),

memberships as (
    select
        customer_id,
        segment_key
    from {{ ref('segment_memberships') }}
),

current_period as (
    select as_of
    from {{ ref('int_periods') }}
    where is_current
),

live_customers as (
    select
        customer_id,
        max(as_of) as live_as_of
    from profiles
    group by customer_id
),

live_memberships as (
    select
        customer_id,
        segment_key
    from profiles
    where segment_key is not null
),

built_memberships as (
    select
        memberships.customer_id,
        memberships.segment_key
    from memberships
    inner join live_customers on memberships.customer_id = live_customers.customer_id
),

compared as (
    select
        coalesce(live_memberships.customer_id, built_memberships.customer_id) as customer_id,
        coalesce(live_memberships.segment_key, built_memberships.segment_key) as segment_key,
        live_memberships.customer_id is not null as is_live,
        built_memberships.customer_id is not null as is_built
    from live_memberships
    full outer join built_memberships
        on
            live_memberships.customer_id = built_memberships.customer_id
            and live_memberships.segment_key = built_memberships.segment_key
),

final as (
    select
        -- ids
        compared.segment_key,

        -- dates
        live_customers.live_as_of,
        current_period.as_of,

        -- numbers
        count(case when compared.is_live and compared.is_built then 1 end) as in_both,
        count(case when not compared.is_built then 1 end) as only_live,
        count(case when not compared.is_live then 1 end) as only_built,

        -- flags
        live_customers.live_as_of = current_period.as_of as is_comparable
    from compared
    inner join live_customers on compared.customer_id = live_customers.customer_id
    cross join current_period
    group by compared.segment_key, live_customers.live_as_of, current_period.as_of
)

select * from final
