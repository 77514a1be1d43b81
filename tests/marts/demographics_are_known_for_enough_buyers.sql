-- Var min_demographics_share: below it, demographic segments describe only those who told, which is not everyone.

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select
    source_table,
    check_name,
    value,
    threshold
from coverage
where check_name like '%_known' and verdict = 'warn'
