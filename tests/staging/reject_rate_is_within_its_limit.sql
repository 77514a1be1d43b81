-- Var max_reject_rate: more rejected rows suggest a problem with the load, not with a few rows. Orders that var currency
-- excludes on purpose do not count.
{{ config(severity='error') }}

with counts as (
    select * from {{ ref('int_staging__counts') }}
),

rejects as (
    select
        source_table,
        sum(case when check_name = 'quarantined' then value end)
        - coalesce(sum(case when check_name = 'other_currency' then value end), 0) as quarantined,
        sum(case when check_name = 'rows' then value end) as raw_rows
    from counts
    group by source_table
)

select
    quarantined || ' of ' || raw_rows || ' rows of the table ' || source_table || ' were rejected, expected at most '
    || {{ percent_words(setting('max_reject_rate')) }}
    || ' (var max_reject_rate): see the column failed_rule of base_' || source_table as finding
from rejects
where quarantined > {{ setting('max_reject_rate') }} * raw_rows
