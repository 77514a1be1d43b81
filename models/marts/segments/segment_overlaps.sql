-- Segments are numbered for the count of pairs: text keys would cost several times as much where there are many members.

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

sizes as (
    select
        memberships.segment_key,
        count(*) as customers,
        cast(row_number() over (order by memberships.segment_key) as integer) as number
    from memberships
    inner join periods on memberships.as_of = periods.as_of
    where periods.is_current
    group by memberships.segment_key
),

members as (
    select
        memberships.customer_key,
        sizes.number
    from memberships
    inner join periods on memberships.as_of = periods.as_of
    inner join sizes on memberships.segment_key = sizes.segment_key
    where periods.is_current
),

-- Each pair is counted once and told both ways.
counted_pairs as (
    select
        members.number,
        others.number as other_number,
        count(*) as customers
    from members
    inner join members as others
        on
            members.customer_key = others.customer_key
            and members.number < others.number
    group by members.number, others.number
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
        sizes.segment_key,
        others.segment_key as other_segment_key,

        -- numbers
        pairs.customers,
        {{ rounded('pairs.customers / cast(sizes.customers as double)') }} as share
    from pairs
    inner join sizes on pairs.number = sizes.number
    inner join sizes as others on pairs.other_number = others.number
)

select * from final
