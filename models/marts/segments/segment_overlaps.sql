-- The customers of a segment are kept as bitmaps, and the overlap of two segments is counted bitmap by bitmap: joining a
-- million customers with twenty segments each would give 200 million pairs.

{% set customers_of_a_set = 16384 -%}

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

current_memberships as {{ not_materialized() }} (
    select memberships.*
    from memberships
    inner join periods on memberships.as_of = periods.as_of
    where periods.is_current
),

segments as (
    {{ numbered_segments('current_memberships') | indent(4) }}
),

-- Customers are sorted by number of segments, so that many segments have no customer in a bitmap.
numbered_customers as (
    select
        customer_key,
        row_number() over (order by count(*), customer_key) - 1 as number
    from current_memberships
    group by customer_key
),

customer_sets as {{ materialized() }} (
    select
        segments.number,
        cast(floor(numbered_customers.number / {{ customers_of_a_set }}) as integer) as set_number,
        {{ bitmap_agg('mod(numbered_customers.number, ' ~ customers_of_a_set ~ ')', customers_of_a_set) }} as customers
    from current_memberships
    inner join segments on current_memberships.segment_key = segments.segment_key
    inner join numbered_customers on current_memberships.customer_key = numbered_customers.customer_key
    group by segments.number, cast(floor(numbered_customers.number / {{ customers_of_a_set }}) as integer)
),

-- Each pair is counted once and listed in both directions.
counted_pairs as (
    select
        sets.number,
        others.number as other_number,
        sum({{ bitmap_overlap('sets.customers', 'others.customers') }}) as customers
    from customer_sets as sets
    inner join customer_sets as others
        on
            sets.set_number = others.set_number
            and sets.number < others.number
    group by sets.number, others.number
),

pairs as (
    select
        number,
        other_number,
        customers
    from counted_pairs
    union all
    select
        other_number as number,
        number as other_number,
        customers
    from counted_pairs
),

final as (
    select
        -- ids
        segments.segment_key,
        others.segment_key as other_segment_key,

        -- numbers
        cast(pairs.customers as bigint) as customers,
        {{ rounded('pairs.customers / cast(segments.memberships as double)') }} as share
    from pairs
    inner join segments on pairs.number = segments.number
    inner join segments as others on pairs.other_number = others.number
    where pairs.customers > 0
)

select * from final
