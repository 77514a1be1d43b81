-- table: data_set
select
    data_set.dataset,
    data_set.as_of,
    data_set.currency,
    data_set.smallest_cell,
    data_set.explorer_samples,
    (
        select max(value)
        from monitoring.source_coverage
        where source_table = 'orders' and check_name = 'days_old'
    ) as days_old,
    (select count(*) from customer_segments) as customers,
    (select sum(monetary) from customer_features) as revenue
from monitoring.data_set

-- table: segments
-- Descriptions and warnings may reveal a size, and are withheld with it.
with telling as (
    select segment_key
    from shown_sizes
    where period in (select distinct period from shown_sizes order by period desc limit 2)
    group by segment_key
    having bool_and(customers is not null)
)

select
    segments.segment_key,
    segments.scheme,
    segments.name,
    segments.definition,
    segments.version,
    segments.owner,
    segments.recommended_action,
    segments.channel,
    segments.offer,
    segments.is_exclusive,
    case when telling.segment_key is not null then segments.description end as description,
    case when telling.segment_key is not null then segments.warnings end as warnings
from segments
left join telling using (segment_key)
order by segments.scheme, segments.segment_key

-- table: kpis
-- A change reveals the earlier size, so it is withheld where either is, as a goal's progress reveals the earlier share. Revenue per
-- member reveals who ordered.
with sizes as (
    select
        shown_sizes.*,
        lag(shown_sizes.customers) over (
            partition by shown_sizes.segment_key
            order by shown_sizes.period
        ) as earlier_customers
    from shown_sizes
),

shares as (
    select
        segment_kpis.period,
        segment_kpis.segment_key,
        shown_converted.customers is not null as has_conversion,
        shown_repeated.customers is not null as has_repeat_rate,
        lag(shown_converted.customers is not null) over (
            partition by segment_kpis.segment_key
            order by segment_kpis.period
        ) as had_conversion,
        lag(shown_repeated.customers is not null) over (
            partition by segment_kpis.segment_key
            order by segment_kpis.period
        ) as had_repeat_rate,
        case
            when segment_kpis.responded = 0 or segment_kpis.responded >= data_set.smallest_cell
                then segment_kpis.response_rate
        end as response_rate
    from segment_kpis
    left join shown_kpi_shares as shown_converted
        on
            segment_kpis.period = shown_converted.period
            and segment_kpis.segment_key = shown_converted.segment_key
            and shown_converted.kpi = 'converted'
    left join shown_kpi_shares as shown_repeated
        on
            segment_kpis.period = shown_repeated.period
            and segment_kpis.segment_key = shown_repeated.segment_key
            and shown_repeated.kpi = 'repeated'
    cross join monitoring.data_set
)

select
    kpis.period,
    kpis.segment_key,
    kpis.scheme,
    kpis.is_whole,
    kpis.is_last_whole,
    kpis.comparison,
    sizes.customers is null as is_secret,
    kpis.customers,
    kpis.revenue,
    kpis.revenue_share,
    kpis.average_order_value,
    case when shares.has_conversion then kpis.revenue_per_member end as revenue_per_member,
    case when shares.has_conversion then kpis.conversion end as conversion,
    case when shares.has_repeat_rate then kpis.repeat_rate end as repeat_rate,
    kpis.sessions_per_member,
    shares.response_rate,
    case when shares.has_conversion then kpis.revenue_per_member_index end as revenue_per_member_index,
    case when shares.has_conversion then kpis.conversion_index end as conversion_index,
    kpis.goal_kpi,
    kpis.goal_change,
    case
        when
            shares.has_conversion and shares.had_conversion
            and (kpis.goal_kpi <> 'repeat_rate' or (shares.has_repeat_rate and shares.had_repeat_rate))
            then kpis.goal_progress
    end as goal_progress,
    case when sizes.earlier_customers is not null then kpis.customers_change end as customers_change
from segment_kpis as kpis
inner join sizes
    on
        kpis.period = sizes.period
        and kpis.segment_key = sizes.segment_key
inner join shares
    on
        kpis.period = shares.period
        and kpis.segment_key = shares.segment_key
order by kpis.period, kpis.segment_key

-- table: regions
-- Regions beyond the fifty largest are one. Numbers are counted, names joined to the counts: text would double the time.
with ranked as (
    select
        coalesce(region, 'unknown') as region,
        row_number() over (order by count(*) desc, coalesce(region, 'unknown')) as place
    from customers
    group by coalesce(region, 'unknown')
),

placed as (
    select
        customers.customer_id,
        least(ranked.place, 51) as place
    from customers
    inner join ranked
        on coalesce(customers.region, 'unknown') = ranked.region
),

counted as (
    select
        memberships.segment_key,
        placed.place,
        count(*) as customers
    from segment_memberships as memberships
    inner join placed using (customer_id)
    group by all
),

named as (
    select
        counted.segment_key,
        segments.scheme,
        segments.is_exclusive,
        case when counted.place = 51 then 'other regions' else ranked.region end as region,
        counted.customers
    from counted
    inner join segments using (segment_key)
    inner join ranked using (place)
)

select
    named.region,
    named.segment_key,
    named.segment_key as total_1,
    case when named.is_exclusive then concat(named.region, '|', named.scheme) end as total_2,
    shown_sizes.customers is null as is_secret,
    named.customers
from named
inner join shown_sizes
    on
        named.segment_key = shown_sizes.segment_key
        and shown_sizes.period = (select max(period) from shown_sizes)
order by named.region, named.segment_key

-- table: rfm_grid
-- The cells of a segment add up to its size.
select
    customer_segments.recency_score,
    customer_segments.frequency_score,
    concat('rfm:', customer_segments.rfm_segment) as segment_key,
    concat('rfm:', customer_segments.rfm_segment) as total_1,
    shown_sizes.customers is null as is_secret,
    count(*) as customers
from customer_segments
left join shown_sizes
    on
        concat('rfm:', customer_segments.rfm_segment) = shown_sizes.segment_key
        and shown_sizes.period = (select max(period) from shown_sizes)
where customer_segments.recency_score is not null
group by all
order by all

-- table: marts
select
    case schema_name when 'main' then '' else schema_name || '.' end || table_name as mart,
    comment as description
from duckdb_tables()
where database_name = current_database() and schema_name <> 'details' and not internal
union all
select view_name, comment
from duckdb_views()
where database_name = current_database() and schema_name = 'main' and not internal
order by all

-- table: columns
select
    case columns.schema_name when 'main' then '' else columns.schema_name || '.' end || columns.table_name as mart,
    columns.column_name,
    columns.comment as description
from duckdb_columns() as columns
where columns.database_name = current_database() and columns.schema_name <> 'details' and not columns.internal
order by columns.schema_name, columns.table_name, columns.column_index
