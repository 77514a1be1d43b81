-- One row per contract table and count of raw rows whose customer_ref meets nothing else of its source system.
--
-- From the base models on, a reference with a blank in it is a hash, so near misses are found in raw spellings. Exact matches
-- are those of the base models.

{{ config(materialized='table') }}

{% set no_text = 'cast(null as ' ~ dbt.type_string() ~ ')' -%}
{% set asked, spelt, blanks = 'requests.customer_ref', 'occurrences.spelling', '\\s' -%}
{% set folded = 'lower(' ~ regex_replace(regex_replace('{}', blanks, ''), '^0+', '') ~ ')' -%}
with raw_references as (
    {#- At parse time the columns are unknown, so every table is read. -#}
    {% for table, staged in staged_tables().items() if staged.has_customer_ref or not execute -%}
    select
        '{{ table }}' as source_table,
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        {{ to_key('customer_ref') }} as customer_ref,
        {{ to_key('record_id') if table == 'customers' else no_text }} as record_id,
        {{ 'not coalesce(' ~ to_boolean('granted') ~ ', false)' if table == 'consents' else 'false' }} as is_withdrawal
    from {{ source('input', table) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

counted as (
    select
        source_table,
        source_system,
        customer_ref,
        record_id,
        is_withdrawal,
        count(*) as raw_rows
    from raw_references
    where customer_ref is not null or record_id is not null
    group by source_table, source_system, customer_ref, record_id, is_withdrawal
),

hashed as (
    select
        *,
        {{ safe_reference('customer_ref') | indent(8) }} as reference,
        {{ safe_reference('record_id') | indent(8) }} as record_reference
    from counted
),

-- The tables that make customers: see int_identity__activity.
occurrences as (
    select
        source_table,
        source_system,
        reference,
        customer_ref as spelling
    from hashed
    where source_table in ('orders', 'customers', 'identity_links', 'events') and reference is not null
    union all
    select
        source_table,
        source_system,
        record_reference as reference,
        record_id as spelling
    from hashed
    where record_reference is not null
),

-- An e-mail address is the same in every system, and in the records of the CRM. Whose it is, identity says.
known_emails as (
    select
        reference,
        min(source_table) as first_table,
        max(source_table) as last_table
    from (
        select
            'customers' as source_table,
            {{ hashed_reference('email') }} as reference
        from {{ ref('stg_customers') }}
        where email is not null
        union all
        select
            source_table,
            reference
        from occurrences
        where {{ is_email_reference('reference') }}
    ) as emails
    group by reference
),

known as (
    select
        source_system,
        reference,
        min(source_table) as first_table,
        max(source_table) as last_table
    from occurrences
    group by source_system, reference
),

unmatched as (
    select hashed.*
    from hashed
    left join known as by_reference
        on
            hashed.source_system = by_reference.source_system
            and hashed.reference = by_reference.reference
            and (hashed.source_table <> by_reference.first_table or hashed.source_table <> by_reference.last_table)
    left join known as by_record
        on
            hashed.source_system = by_record.source_system
            and hashed.record_reference = by_record.reference
            and (hashed.source_table <> by_record.first_table or hashed.source_table <> by_record.last_table)
    left join known_emails as by_email
        on
            hashed.reference = by_email.reference
            and (hashed.source_table <> by_email.first_table or hashed.source_table <> by_email.last_table)
    where
        hashed.source_table <> 'orders'
        and by_reference.reference is null
        and by_record.reference is null
        and by_email.reference is null
),

requests as (
    select
        source_table,
        source_system,
        reference,
        customer_ref,
        sum(raw_rows) as raw_rows
    from unmatched
    where is_withdrawal or source_table = 'erasure_requests'
    group by source_table, source_system, reference, customer_ref
),

near_misses as (
    select
        requests.source_table,
        requests.source_system,
        requests.customer_ref,
        max(requests.raw_rows) as raw_rows,
        min(
            case
                when
                    requests.source_system <> occurrences.source_system
                    and lower(requests.source_system) = lower(occurrences.source_system)
                    and lower({{ asked }}) = lower({{ spelt }})
                    then '2_case'
                when requests.source_system <> occurrences.source_system and requests.reference = occurrences.reference
                    then '1_source_system'
                when requests.source_system <> occurrences.source_system then '5_several'
                when lower({{ asked }}) = lower({{ spelt }}) then '2_case'
                when {{ regex_replace(asked, blanks, '') }} = {{ regex_replace(spelt, blanks, '') }} then '3_blanks'
                when {{ regex_replace(asked, '^0+', '') }} = {{ regex_replace(spelt, '^0+', '') }}
                    then '4_leading_zeros'
                else '5_several'
            end
        ) as kind
    from requests
    inner join occurrences on {{ folded.replace('{}', asked) }} = {{ folded.replace('{}', spelt) }}  -- noqa: LT05
    group by requests.source_table, requests.source_system, requests.customer_ref
),

counts as (
    select
        source_table,
        'unmatched_references' as check_name,
        sum(raw_rows) as value
    from unmatched
    group by source_table
    union all
    select
        source_table,
        'unmatched_withdrawals' as check_name,
        sum(raw_rows) as value
    from requests
    where source_table = 'consents'
    group by source_table
    union all
    select
        source_table,
        'unmatched_but_for_' || substr(kind, 3) as check_name,
        sum(raw_rows) as value
    from near_misses
    group by source_table, kind
)

select
    source_table,
    check_name,
    cast(value as bigint) as value
from counts
