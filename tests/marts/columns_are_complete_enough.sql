-- Var min_completeness: a sparse column says little about the rows without a value.

{{ config(severity=gate_severity('coverage')) }}

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select
    substr(check_name, length('completeness_') + 1) || ' has a value in '
    || {{ percent_beside_limit('value', 'value', 'threshold') | indent(4) }}
    || ' of the rows of ' || source_table
    || ', expected at least '
    || {{ percent_beside_limit('threshold', 'value', 'threshold') | indent(4) }} || ' (var min_completeness)' as finding
from coverage
where check_name like 'completeness%' and verdict = 'warn'
