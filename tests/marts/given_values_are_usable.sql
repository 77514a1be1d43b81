-- Var min_validity: more unusable values suggest that a column is read in the wrong format.

{{ config(severity=gate_severity('coverage')) }}

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select
    {{ percent_beside_limit('value', 'value', 'threshold') | indent(4) }}
    || ' of the values of ' || substr(check_name, length('validity_') + 1) || ' in '
    || source_table || ' are usable, expected at least '
    || {{ percent_beside_limit('threshold', 'value', 'threshold') | indent(4) }} || ' (var min_validity)' as finding
from coverage
where check_name like 'validity%' and verdict = 'warn'
