-- Var min_data_quality: the usable share of everything the source could have delivered.

{{ config(severity=gate_severity('coverage')) }}

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select
    'the table ' || source_table || ' has a data-quality score of '
    || {{ text_beside_limit('value', 'value', 'threshold') | indent(4) }}
    || ', expected at least '
    || {{ text_beside_limit('threshold', 'value', 'threshold') | indent(4) }} || ' (var min_data_quality)' as finding
from coverage
where check_name = 'data_quality' and verdict = 'warn'
