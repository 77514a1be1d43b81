-- table: overlaps
-- Each pair once. Beside an exclusive scheme of all customers, a segment's overlaps add up to its size.
with complete as (
    select scheme
    from shown_sizes
    inner join segments using (segment_key, scheme)
    where shown_sizes.period = (select max(period) from shown_sizes) and segments.is_exclusive
    group by scheme
)

select
    pairs.segment_key,
    pairs.other_segment_key,
    case when others.scheme is not null then concat(pairs.segment_key, '|', others.scheme) end as total_1,
    case when own.scheme is not null then concat(pairs.other_segment_key, '|', own.scheme) end as total_2,
    one_size.customers is null or other_size.customers is null as is_secret,
    pairs.customers
from segment_overlaps as pairs
left join complete as own
    on split_part(pairs.segment_key, ':', 1) = own.scheme
left join complete as others
    on split_part(pairs.other_segment_key, ':', 1) = others.scheme
left join shown_sizes as one_size
    on
        pairs.segment_key = one_size.segment_key
        and one_size.period = (select max(period) from shown_sizes)
left join shown_sizes as other_size
    on
        pairs.other_segment_key = other_size.segment_key
        and other_size.period = (select max(period) from shown_sizes)
where pairs.segment_key < pairs.other_segment_key
order by pairs.segment_key, pairs.other_segment_key
