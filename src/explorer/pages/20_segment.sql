-- table: profiles
-- Customers with a feature are as many in every exclusive scheme.
select
    segment_profiles.segment_key,
    segment_profiles.feature,
    case when segments.is_exclusive then concat(segment_profiles.feature, '|', segments.scheme) end as total_1,
    shown_sizes.customers is null as is_secret,
    segment_profiles.members as customers,
    segment_profiles.mean,
    segment_profiles.quartile_1,
    segment_profiles.quartile_2,
    segment_profiles.quartile_3,
    segment_profiles.index as against_all
from segment_profiles
inner join shown_sizes
    on
        segment_profiles.segment_key = shown_sizes.segment_key
        and shown_sizes.period = (select max(period) from shown_sizes)
left join segments
    on segment_profiles.segment_key = segments.segment_key
where segment_profiles.members > 0 or shown_sizes.customers is not null
order by segment_profiles.segment_key, segment_profiles.feature

-- table: bins
-- Values are skewed, so the bins widen: of equal bins the first would hold everyone. A bin holds as many in every exclusive scheme.
with edges as (
    select
        edge as lower_edge,
        lead(edge) over (order by edge) as upper_edge
    from (
        select unnest([-1000000000000, 0]) as edge
        union all
        select step * cast(10 ** digits as bigint)
        from unnest([1, 2, 3, 5, 7]) as steps (step), unnest(range(9)) as exponents (digits)
    )
),

newest as (
    select *
    from monitoring.segment_distributions
    where
        period = (select max(period) from shown_sizes)
        and metric in ('recency_days', 'frequency', 'monetary')
),

-- Numbers are counted, text joined to the counts: there are many values.
counted as (
    select
        newest.segment_key,
        newest.metric,
        edges.lower_edge,
        edges.upper_edge,
        cast(sum(newest.customers) as bigint) as customers
    from newest
    asof join edges
        on newest.value >= edges.lower_edge
    group by all
)

select
    counted.segment_key,
    counted.metric,
    counted.lower_edge,
    counted.upper_edge,
    concat(counted.segment_key, '|', counted.metric) as total_1,
    case
        when segments.is_exclusive then concat(counted.metric, '|', counted.lower_edge, '|', segments.scheme)
    end as total_2,
    shown_sizes.customers is null as is_secret,
    counted.customers
from counted
inner join shown_sizes
    on
        counted.segment_key = shown_sizes.segment_key
        and shown_sizes.period = (select max(period) from shown_sizes)
left join segments
    on counted.segment_key = segments.segment_key
order by counted.segment_key, counted.metric, counted.lower_edge

-- table: thresholds
select
    scheme,
    metric,
    cut_number,
    cut_value
from models.segment_cutpoints
where cut_number < 5
order by scheme, metric, cut_number

-- table: moves
-- The customers of a segment before and after add up to its sizes. Where one size of a scheme is withheld at either end, none of its
-- moves is shown, not even that there are any: with the moves of 0 customers, the other sizes would give the withheld one away.
-- So it is where sizes give a small move away. How many customers are new, and how many prospects bought, follows from sizes alone.
with latest as (
    select distinct period
    from shown_sizes
    order by period desc
    limit 12
),

withheld_sizes as (
    select
        period,
        scheme,
        lead(period) over (partition by scheme order by period) as next_period,
        is_withheld
    from (
        select
            period,
            scheme,
            bool_or(customers is null) as is_withheld
        from shown_sizes
        group by period, scheme
    ) as sizes
)

select
    moves.period,
    moves.from_segment,
    moves.to_segment,
    case when moves.from_segment <> 'outside' then concat(moves.period, '|', moves.from_segment) end as total_1,
    case when moves.to_segment <> 'outside' then concat(moves.period, '|', moves.to_segment) end as total_2,
    case
        when moves.from_segment <> 'outside' and moves.from_segment not like '%:prospect'
            then concat(moves.period, '|', moves.scheme)
    end as part,
    moves.customers,
    moves.rate
from segment_transitions as moves
inner join latest using (period)
where
    not exists (
        select 1
        from withheld_sizes as sizes
        where
            sizes.is_withheld
            and sizes.scheme = moves.scheme
            and moves.period in (sizes.period, sizes.next_period)
    )
order by moves.period, moves.from_segment, moves.to_segment

-- table: causes
-- The customers who entered or left add up to those who moved, and their difference is known: that of the sizes. So where too few
-- entered or too few left, neither is shown: a missing row would reveal that the other count is 0.
with counted as (
    select
        segment_key,
        changed_on,
        change,
        cause,
        count(*) as customers
    from segment_changes
    where changed_on = (select max(period) from shown_sizes)
    group by segment_key, changed_on, change, cause
),

directions as (
    select
        segment_key,
        change,
        sum(customers) as customers
    from counted
    group by segment_key, change
),

telling as (
    select directions.segment_key
    from directions
    cross join monitoring.data_set
    group by directions.segment_key
    having min(directions.customers) >= max(data_set.smallest_cell)
)

select
    counted.segment_key,
    counted.changed_on,
    counted.change,
    counted.cause,
    concat(counted.segment_key, '|', counted.change) as total_1,
    shown_sizes.customers is null as is_secret,
    counted.customers
from counted
inner join telling using (segment_key)
inner join shown_sizes
    on
        counted.segment_key = shown_sizes.segment_key
        and counted.changed_on = shown_sizes.period
order by all

-- table: products
select
    segment_products.segment_key,
    segment_products.level,
    segment_products.rank,
    segment_products.name,
    segment_products.buyers as customers,
    segment_products.share,
    segment_products.share_of_all,
    segment_products.lift
from segment_products
inner join shown_sizes
    on
        segment_products.segment_key = shown_sizes.segment_key
        and shown_sizes.period = (select max(period) from shown_sizes)
        and shown_sizes.customers is not null
where segment_products.rank <= 10
order by segment_products.segment_key, segment_products.level, segment_products.rank

-- table: drift
select
    drift.segment_key,
    drift.metric,
    drift.test,
    drift.baseline,
    drift.baseline_as_of,
    drift.verdict,
    drift.recommendation,
    drift.customers,
    drift.statistic,
    drift.threshold
from monitoring.segment_drift as drift
left join shown_sizes
    on
        drift.segment_key = shown_sizes.segment_key
        and drift.period = shown_sizes.period
where
    drift.period = (select max(period) from shown_sizes)
    and drift.verdict in ('stable', 'moderate', 'drifted')
    and (drift.segment_key = 'all' or shown_sizes.customers is not null)
    -- The change of a size reveals the size before.
    and drift.test <> 'size_change'
order by drift.segment_key, drift.metric, drift.test, drift.baseline

-- table: fairness
-- The mart withholds small groups, and others with them. Of segments whose size is withheld here no group may be shown.
select
    fairness.segment_key,
    fairness.attribute,
    fairness.attribute_group,
    fairness.members as customers,
    fairness.member_share,
    fairness.customer_share,
    fairness.parity_ratio,
    fairness.ratio_low,
    fairness.ratio_high,
    fairness.verdict
from monitoring.segment_fairness as fairness
inner join shown_sizes
    on
        fairness.segment_key = shown_sizes.segment_key
        and shown_sizes.period = (select max(period) from shown_sizes)
        and shown_sizes.customers is not null
order by fairness.segment_key, fairness.attribute, fairness.attribute_group

-- table: samples
select
    segment_samples.segment_key,
    segment_samples.customer_id,
    segment_samples.reason,
    segment_samples.recency_days,
    segment_samples.frequency,
    segment_samples.monetary
from segment_samples
inner join shown_sizes
    on
        segment_samples.segment_key = shown_sizes.segment_key
        and shown_sizes.period = (select max(period) from shown_sizes)
        and shown_sizes.customers is not null
where (select explorer_samples from monitoring.data_set)
order by segment_samples.segment_key, segment_samples.customer_id
