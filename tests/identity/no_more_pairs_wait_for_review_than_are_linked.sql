-- Otherwise the threshold, the vetoes or the data keep most duplicates apart, and customers are counted more than once.

with pairs as (
    select * from {{ ref('int_identity__pairs') }}
),

records as (
    select * from {{ ref('int_identity__records') }}
),

linked as (
    select count(*) as pairs
    from pairs
    inner join records as left_records on pairs.left_key = left_records.record_key
    inner join records as right_records on pairs.right_key = right_records.record_key
    where pairs.is_link and left_records.customer_key = right_records.customer_key
),

waiting as (
    select count(*) as pairs from {{ ref('identity_review') }}
)

select
    {{ counted('waiting.pairs', 'pair') }} || ' of records in identity_review, but only ' || linked.pairs || ' linked: '
    || 'decide about them (seed identity_decisions), or see vars identity_threshold and identity_vetoes' as finding
from waiting
cross join linked
where waiting.pairs > linked.pairs
