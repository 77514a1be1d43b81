-- Of one id the newest version counts: a refund that is exported under the id of its order takes the sale with it.

{{ config(severity=gate_severity('coverage')) }}

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select
    {{ counted('cast(value as bigint)', 'sale') }}
    || ' replaced by a newer version under the same order_id, which is a return. Give refunds an order_id of their '
    || 'own, such as that of the order and -refund' as finding
from coverage
where check_name = 'sale_turned_return' and verdict = 'warn'
