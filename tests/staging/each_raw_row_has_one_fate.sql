-- Accounting: every raw row of a staged table has exactly one fate.
{{ config(severity='error') }}

with counts as (
    select * from {{ ref('int_staging__counts') }}
),

fates as (
    select
        source_table,
        sum(case when check_name = 'rows' then value end) as raw_rows,
        sum(
            case when check_name in ('loaded', 'deduplicated', 'quarantined', 'expired') then value end
        ) as rows_with_a_fate
    from counts
    group by source_table
)

select source_table || ' has ' || raw_rows || ' raw rows, of which ' || rows_with_a_fate || ' have a fate' as finding
from fates
where rows_with_a_fate <> raw_rows
