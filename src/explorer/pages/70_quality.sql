-- table: sources
select
    source_table,
    max(value) filter (where check_name = 'rows') as row_count,
    max(value) filter (where check_name = 'loaded') as loaded,
    max(value) filter (where check_name = 'deduplicated') as deduplicated,
    max(value) filter (where check_name = 'quarantined') as quarantined,
    max(value) filter (where check_name = 'synthetic') as synthetic,
    max(value) filter (where check_name = 'days_old') as days_old,
    max(threshold) filter (where check_name = 'days_old') as most_days_old,
    max(value) filter (where check_name = 'data_quality') as data_quality,
    bool_or(verdict in ('warn', 'fail')) as has_findings
from monitoring.source_coverage
group by source_table
order by source_table

-- table: checks
select
    source_table,
    check_name,
    value,
    threshold,
    verdict,
    owner
from monitoring.source_coverage
where verdict <> 'info'
order by
    case verdict when 'fail' then 1 when 'warn' then 2 when 'unknown' then 3 else 4 end,
    source_table,
    check_name

-- table: data_tests
select
    test_name,
    verdict,
    findings,
    reads
from monitoring.data_tests
order by verdict = 'pass', test_name

-- table: quarantine
select
    source_table,
    rule,
    count(*) as row_count
from monitoring.quarantined_records
group by source_table, rule
order by count(*) desc, source_table, rule
