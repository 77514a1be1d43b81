-- Otherwise a request is not obeyed. The reference itself is personal data, so a near miss is named by its kind.

{{ config(severity=gate_severity('coverage')) }}

with coverage as (
    select * from {{ ref('source_coverage') }}
),

near_misses as (
    select
        source_table,
        {{ dbt.listagg(
            "cast(cast(value as bigint) as " ~ dbt.type_string() ~ ") || case check_name"
            ~ " when 'unmatched_but_for_case' then ' if case did not count'"
            ~ " when 'unmatched_but_for_blanks' then ' without blanks'"
            ~ " when 'unmatched_but_for_leading_zeros' then ' without leading zeros'"
            ~ " when 'unmatched_but_for_source_system' then ' in another source_system'"
            ~ " else ' but for several of these' end",
            "', '",
            'order by check_name'
        ) }} as kinds
    from coverage
    where check_name like 'unmatched_but_for%'
    group by source_table
)

select
    case coverage.check_name
        when 'requests_by_shared_email'
            then
                {{ counted('cast(coverage.value as bigint)', 'request') }} || ' in ' || coverage.source_table
                || ' by an e-mail address that several people use, without effect on all of them.'
                || ' Give the id of a record instead'
        else
            {{ counted('cast(coverage.value as bigint)', 'row') }}
            || case coverage.source_table
                when 'consents' then ' of consents withdraw'
                else ' of erasure_requests ask'
            end
            || ' for a customer_ref that no order, record, event or log-in of their source system has,'
            || ' so they have no effect'
            || coalesce('. Would match: ' || near_misses.kinds, '')
    end as finding
from coverage
left join near_misses on coverage.source_table = near_misses.source_table
where
    coverage.verdict = 'warn'
    and coverage.check_name in ('unmatched_references', 'unmatched_withdrawals', 'requests_by_shared_email')
