-- Var min_demographics_share: below it, demographic segments describe only those who told, which is not everyone.

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select *
from coverage
where check_name like '%_known' and verdict = 'warn'
