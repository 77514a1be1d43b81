-- A first-order Markov chain: customers move on as the members of the same segment did from the previous period to this one,
-- and as many new customers arrive. Members of a segment that was empty before stay in it. A period is a step only when it is
-- whole: from an as_of in the middle of one nothing is projected, since fewer customers move in fewer days.
-- Example: 80 were in a, 60 of them stayed and 20 went to b; now 100 are in a, so 75 will stay and 25 go to b.

with periods as (
    select * from {{ ref('int_periods') }}
),

steps as (
    select
        previous_as_of,
        as_of
    from periods
    where compared_days is not null
),

transitions as (
    select
        moves.*,
        sum(moves.customers) over (partition by moves.period, moves.scheme, moves.from_segment) as all_customers
    from {{ ref('segment_transitions') }} as moves
    inner join steps on moves.period = steps.as_of
),

sizes as (
    select
        period,
        scheme,
        to_segment as segment_key,
        sum(customers) as customers
    from transitions
    where to_segment <> 'outside'
    group by period, scheme, to_segment
),

first_projection as (
    select min(period) as period
    from sizes
),

-- Current, projected and actual sizes, each in a column.
parts as (
    select
        period,
        scheme,
        segment_key,
        customers,
        0 as projected_customers,
        0 as actual_customers
    from sizes
    union all
    select
        sizes.period,
        sizes.scheme,
        coalesce(transitions.to_segment, sizes.segment_key) as segment_key,
        0 as customers,
        sizes.customers
        * coalesce(transitions.customers / cast(transitions.all_customers as double), 1) as projected_customers,
        0 as actual_customers
    from sizes
    left join transitions
        on
            sizes.period = transitions.period
            and sizes.scheme = transitions.scheme
            and sizes.segment_key = transitions.from_segment
    union all
    select
        period,
        scheme,
        to_segment as segment_key,
        0 as customers,
        customers as projected_customers,
        0 as actual_customers
    from transitions
    where from_segment = 'outside'
    union all
    select
        steps.previous_as_of as period,
        later_sizes.scheme,
        later_sizes.segment_key,
        0 as customers,
        0 as projected_customers,
        later_sizes.customers as actual_customers
    from sizes as later_sizes
    inner join steps on later_sizes.period = steps.as_of
    cross join first_projection
    where steps.previous_as_of >= first_projection.period
),

segments as (
    select
        period,
        scheme,
        segment_key,
        sum(customers) as customers,
        {{ rounded('sum(projected_customers)', 4) }} as projected_customers,
        sum(actual_customers) as actual_customers
    from parts
    group by period, scheme, segment_key
),

misplaced as (
    select
        period,
        scheme,
        sum(abs(projected_customers - actual_customers)) / 2 / sum(actual_customers) as misplaced_share,
        sum(abs(customers - actual_customers)) / cast(2 * sum(actual_customers) as double) as unchanged_misplaced_share
    from segments
    where segment_key <> 'outside'
    group by period, scheme
    having sum(actual_customers) > 0
),

final as (
    select
        -- ids
        segments.period,
        segments.scheme,
        segments.segment_key,

        -- numbers
        case when segments.segment_key <> 'outside' then cast(segments.customers as bigint) end as customers,
        segments.projected_customers,
        case
            when segments.segment_key <> 'outside' and periods.is_whole
                then cast(segments.actual_customers as bigint)
        end as actual_customers,
        {{ rounded('misplaced.misplaced_share') }} as misplaced_share,
        {{ rounded('misplaced.unchanged_misplaced_share') }} as unchanged_misplaced_share,

        -- dates
        cast({{ dbt.dateadd(var('period'), 1, 'segments.period') }} as date) as next_period
    from segments
    inner join periods on segments.period = periods.as_of
    left join misplaced
        on
            segments.period = misplaced.period
            and segments.scheme = misplaced.scheme
)

select * from final
