-- Var min_demographics_share: with sparser data, segments by attribute describe only a minority of the buyers.

{{ config(severity=gate_severity('coverage')) }}

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select
    replace(check_name, '_known', '') || ' is known for '
    || {{ percent_words('value') }} || ' of the buyers, expected at least '
    || {{ percent_words('threshold') }} as finding
from coverage
where source_table = 'customers' and check_name like '%_known' and verdict = 'warn'
