-- Var min_data_quality: the usable share of everything the source could have delivered.

{{ config(severity=gate_severity('coverage')) }}

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select
    'the table ' || source_table || ' has a data-quality score of '
    || cast(cast(value as decimal(5, 2)) as {{ dbt.type_string() }})
    || ', expected at least '
    || cast(cast(threshold as decimal(5, 2)) as {{ dbt.type_string() }}) || ' (var min_data_quality)' as finding
from coverage
where check_name = 'data_quality' and verdict = 'warn'
