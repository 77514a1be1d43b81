-- Var min_demographics_share: below it, segments made of an attribute describe only the customers it is known for.

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
