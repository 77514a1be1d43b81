-- One row per whole period, scores and segment: how likely a customer with these scores is in the segment at the next period.
--
-- by_segment: customers move as the members of their segment did in the step to this period, as in segment_projections. One
-- customer is added who moves as everyone did, so that nothing is impossible.
-- by_scores: they move as those with the same scores did in the last three steps. 20 customers are added who move by_segment,
-- so that a handful of customers can't be the whole evidence.

{% set group = 'grid.period, grid.from_segment, grid.recency_score, grid.frequency_score' -%}

with moves as (
    select * from {{ ref('int_marts__rfm_moves') }}
),

steps as (
    select
        as_of,
        row_number() over (order by as_of) as number
    from {{ ref('int_periods') }}
    where compared_days is not null
),

scores as (
    select
        'rfm:' || segment as segment_key,
        recency_score,
        frequency_score
    from {{ ref('rfm_labels') }}
    {%- for non_buyer in ['prospect', 'returns_only'] %}
    union all
    select
        'rfm:{{ non_buyer }}' as segment_key,
        0 as recency_score,
        0 as frequency_score
    {%- endfor %}
),

segments as (
    select distinct segment_key from scores
),

grid as (
    select
        steps.as_of as period,
        scores.segment_key as from_segment,
        scores.recency_score,
        scores.frequency_score,
        segments.segment_key as to_segment
    from steps
    cross join scores
    cross join segments
),

by_all as (
    select
        period,
        to_segment,
        sum(customers) as customers
    from moves
    group by period, to_segment
),

by_segment as (
    select
        period,
        from_segment,
        to_segment,
        sum(customers) as customers
    from moves
    group by period, from_segment, to_segment
),

by_scores as (
    select
        steps.as_of as period,
        moves.from_segment,
        moves.recency_score,
        moves.frequency_score,
        moves.to_segment,
        sum(moves.customers) as customers
    from steps
    inner join steps as earlier on earlier.number between steps.number - 2 and steps.number
    inner join moves on earlier.as_of = moves.period
    group by steps.as_of, moves.from_segment, moves.recency_score, moves.frequency_score, moves.to_segment
),

counted as (
    select
        grid.*,
        coalesce(by_segment.customers, 0) as of_segment,
        coalesce(by_scores.customers, 0) as of_scores,
        sum(coalesce(by_segment.customers, 0)) over (partition by {{ group }}) as all_of_segment,
        sum(coalesce(by_scores.customers, 0)) over (partition by {{ group }}) as all_of_scores,
        (coalesce(by_all.customers, 0) + 1)
        / cast(sum(coalesce(by_all.customers, 0) + 1) over (partition by {{ group }}) as double) as share
    from grid
    left join by_all
        on
            grid.period = by_all.period
            and grid.to_segment = by_all.to_segment
    left join by_segment
        on
            grid.period = by_segment.period
            and grid.from_segment = by_segment.from_segment
            and grid.to_segment = by_segment.to_segment
    left join by_scores
        on
            grid.period = by_scores.period
            and grid.from_segment = by_scores.from_segment
            and grid.recency_score = by_scores.recency_score
            and grid.frequency_score = by_scores.frequency_score
            and grid.to_segment = by_scores.to_segment
),

of_segments as (
    select
        *,
        (of_segment + share) / (all_of_segment + 1) as by_segment
    from counted
),

rates as (
    select
        period,
        from_segment,
        recency_score,
        frequency_score,
        to_segment,
        by_segment,
        (of_scores + 20 * by_segment) / (all_of_scores + 20) as by_scores
    from of_segments
)

select * from rates
