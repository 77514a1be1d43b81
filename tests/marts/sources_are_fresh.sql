-- Var freshness_days: a table without new rows describes the past.

{{ config(severity=gate_severity('coverage')) }}

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select
    'the newest row of the table ' || source_table || ' is ' || cast(cast(value as integer) as {{ dbt.type_string() }})
    || ' days older than as_of, expected at most '
    || cast(cast(threshold as integer) as {{ dbt.type_string() }}) || ' (var freshness_days)' as finding
from coverage
where check_name = 'days_old' and verdict = 'warn'
