-- Var min_completeness: a column that few rows have says little about the others.

{{ config(severity=gate_severity('coverage')) }}

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select
    substr(check_name, length('completeness_') + 1) || ' is given in ' || {{ percent_words('value') }}
    || ' of the rows of ' || source_table
    || ', expected at least '
    || {{ percent_words('threshold') }} || ' (var min_completeness)' as finding
from coverage
where check_name like 'completeness%' and verdict = 'warn'
