-- Var min_demographics_share: below it, demographic segments describe only those who told, which is not everyone.

{{ config(severity=gate_severity('coverage')) }}

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select
    '{{ demographic_attribute() | replace("_", " ") }} is known for '
    || {{ percent_words('value') }} || ' of the buyers, expected at least '
    || {{ percent_words('threshold') }} as finding
from coverage
where check_name like '%_known' and verdict = 'warn'
