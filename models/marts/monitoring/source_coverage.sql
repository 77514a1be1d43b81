-- What was loaded from each source, and whether that is enough. Values without a threshold are for information.

{% set freshness_limit = value_of_table('counts.source_table', setting('freshness_days')) -%}
{#- A source without the table can't know: the share is null and its verdict unknown. -#}
{% set is_given = 'fates.raw_rows > 0' -%}
{% set owner = value_of_table('source_table', setting('source_owners')) -%}

with counts as (
    select * from {{ ref('int_staging__counts') }}
),

reconciliation as (
    select * from {{ ref('int_staging__reconciliation') }}
),

eligible_customers as (
    select * from {{ ref('int_segmentation__customers_scored') }}
),

customers as (
    select * from {{ ref('int_identity__customers_resolved') }}
),

record_pairs as (
    select * from {{ ref('int_identity__pairs') }}
),

event_states as (
    select * from {{ ref('int_staging__event_states') }}
),

bot_days as (
    select * from {{ ref('int_staging__bot_days') }}
),

retention as (
    select * from {{ ref('int_staging__retention') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_current
),

after_as_of as (
    {#- At parse time the day columns are unknown, so every table is referenced. -#}
    {% for table, staged in staged_tables().items() if staged.day or not execute -%}
    select
        '{{ table }}' as source_table,
        'after_as_of' as check_name,
        count(*) as value
    from {{ ref('stg_' ~ table) }} as staged
    inner join periods on staged.{{ staged.day }} >= periods.as_of
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

fates as (
    select
        source_table,
        sum(case when check_name = 'rows' then value end)
        - coalesce(sum(case when check_name = 'expired' then value end), 0) as raw_rows,
        sum(case when check_name = 'loaded' then value end) as loaded,
        sum(case when check_name = 'quarantined' then value end)
        - coalesce(sum(case when check_name = 'other_currency' then value end), 0) as quarantined
    from counts
    group by source_table
),

reconciled_systems as (
    select
        source_system,
        1 - sum(missing_rows) / nullif(cast(sum(control_rows) as double), 0) as reconciled_rows,
        1
        - cast(sum(missing_amount) as double)
        / nullif(cast(sum(abs(control_amount)) as double), 0) as reconciled_amount
    from reconciliation
    group by source_system
),

-- The optional columns of each table. `unusable` is null for columns that accept any value.
columns as (
    select
        filled.source_table,
        substr(filled.check_name, length('filled_') + 1) as column_name,
        filled.value as filled,
        unusable.value as unusable,
        cast(fates.loaded as double) as loaded
    from counts as filled
    inner join fates on filled.source_table = fates.source_table
    left join counts as unusable
        on
            filled.source_table = unusable.source_table
            and 'unusable_' || substr(filled.check_name, length('filled_') + 1) = unusable.check_name
    where filled.check_name like 'filled%' and fates.loaded > 0
),

-- Columns that the source never fills are left out of the score: it may not have such data. So is customer_ref, which guests and
-- visitors lack by nature; var min_completeness has a limit for it.
column_quality as (
    select
        source_table,
        sum(filled) / cast(sum(filled + coalesce(unusable, 0)) as double) as usable_share,
        sum(filled + coalesce(unusable, 0)) / sum(loaded) as given_share
    from columns
    where filled + coalesce(unusable, 0) > 0 and column_name <> 'customer_ref'
    group by source_table
),

measured as (
    select
        source_table,
        check_name,
        cast(value as double) as value,
        cast(null as double) as threshold,
        'info' as judgement
    from (
        select *
        from counts
        where check_name not like 'filled%' and check_name not in ('newest_day', 'sale_turned_return')
        union all
        select * from after_as_of
        union all
        select
            source_table,
            'retained_months' as check_name,
            months as value
        from retention
        union all
        select
            source_table,
            'retained_from' as check_name,
            year(retained_from) * 10000 + month(retained_from) * 100 + 1 as value
        from retention
        {%- for reason in ['declared', 'per_day', 'per_minute'] %}
        union all
        select
            'events' as source_table,
            'bots_{{ reason }}' as check_name,
            cast(coalesce(sum(events), 0) as bigint) as value
        from bot_days
        where reason = '{{ reason }}'
        {%- endfor %}
        union all
        select
            'events' as source_table,
            'shown_as_other' as check_name,
            cast(coalesce(sum(events), 0) as bigint) as value
        from event_states
        where state = 'other' and event_type <> 'other'
        union all
        select
            'customers' as source_table,
            'links_by_rule' as check_name,
            count(rule) as value
        from record_pairs
        where is_link
        {%- if topics_are_embedded() %}
        union all
        select
            'tickets' as source_table,
            'texts_cut' as check_name,
            count(*) as value
        from {{ ref('int_facts__ticket_texts') }} as texts
        inner join {{ ref('int_features__text_vectors') }} as vectors on texts.text_key = vectors.text_key
        where vectors.is_truncated
        {%- endif %}
        union all
        select
            'customers' as source_table,
            'links_by_weight' as check_name,
            count(*) - count(rule) as value
        from record_pairs
        where is_link
    ) as mere_counts
    union all
    select
        source_table,
        check_name,
        cast(value as double) as value,
        cast(
            case
                when check_name in ('sale_turned_return', 'unmatched_withdrawals', 'requests_by_shared_email') then 0
                when check_name = 'unmatched_references' and source_table = 'erasure_requests' then 0
            end as double
        ) as threshold,
        'warn above' as judgement
    from (
        select * from {{ ref('int_staging__unmatched_references') }}
        union all
        select * from {{ ref('int_identity__unreached_requests') }}
        union all
        select *
        from counts
        where check_name = 'sale_turned_return'
    ) as counts_that_may_warn
    union all
    select
        source_table,
        'reject_rate' as check_name,
        coalesce(quarantined / nullif(cast(raw_rows as double), 0), 0) as value,
        cast({{ setting('max_reject_rate') }} as double) as threshold,
        'fail above' as judgement
    from fates
    union all
    select
        'orders' as source_table,
        'reconciled_rows' as check_name,
        min(reconciled_rows) as value,
        cast({{ setting('min_reconciled_share') }} as double) as threshold,
        'fail below' as judgement
    from reconciled_systems
    union all
    select
        'orders' as source_table,
        'reconciled_amount' as check_name,
        min(reconciled_amount) as value,
        cast({{ setting('min_reconciled_share') }} as double) as threshold,
        'fail below' as judgement
    from reconciled_systems
    union all
    {%- for attribute in schemes().values() | map(attribute='attribute') | select | unique %}
    select
        'customers' as source_table,
        '{{ attribute }}_known' as check_name,
        avg(
            case when eligible_customers.{{ attribute }} is not null then 1 when {{ is_given }} then 0 end
        ) as value,
        cast({{ setting('min_demographics_share') }} as double) as threshold,
        'warn below' as judgement
    from eligible_customers
    inner join periods on eligible_customers.as_of = periods.as_of
    inner join fates on fates.source_table = 'customers'
    where eligible_customers.is_buyer
    union all
    {%- endfor %}
    select
        'orders' as source_table,
        'periods_outdated' as check_name,
        sum(case when is_outdated then 1 else 0 end) as value,
        cast(0 as double) as threshold,
        'warn above' as judgement
    from {{ ref('int_periods') }}
    union all
    select
        'consents' as source_table,
        'consents_known' as check_name,
        avg(
            case when customers.segmentation_consent is not null then 1 when {{ is_given }} then 0 end
        ) as value,
        cast({{ setting('min_consents_share') }} as double) as threshold,
        'warn below' as judgement
    from eligible_customers
    inner join periods on eligible_customers.as_of = periods.as_of
    inner join customers on eligible_customers.customer_key = customers.customer_key
    inner join fates on fates.source_table = 'consents'
    union all
    select
        counts.source_table,
        'days_old' as check_name,
        greatest({{ day_number('periods.as_of') }} - counts.value, 0) as value,
        cast({{ freshness_limit }} as double) as threshold,
        'warn above' as judgement
    from counts
    cross join periods
    where counts.check_name = 'newest_day' and counts.value is not null
    union all
    select
        source_table,
        'completeness_' || column_name as check_name,
        filled / loaded as value,
        cast(
            case
                {%- for table, limits in setting('min_completeness').items() %}
                {%- for column, share in limits.items() %}
                when source_table = '{{ table }}' and column_name = '{{ column }}' then {{ share }}
                {%- endfor %}
                {%- endfor %}
                else null
            end as double
        ) as threshold,
        'warn below' as judgement
    from columns
    union all
    select
        source_table,
        'validity_' || column_name as check_name,
        filled / nullif(cast(filled + unusable as double), 0) as value,
        cast({{ setting('min_validity') }} as double) as threshold,
        'warn below' as judgement
    from columns
    where filled + unusable > 0
    union all
    select
        fates.source_table,
        'data_quality' as check_name,
        (1 - fates.quarantined / cast(fates.raw_rows as double))
        * coalesce(column_quality.usable_share * column_quality.given_share, 1) as value,
        cast({{ setting('min_data_quality') }} as double) as threshold,
        'warn below' as judgement
    from fates
    left join column_quality on fates.source_table = column_quality.source_table
    where fates.raw_rows > 0
),

checks as (
    select
        source_table,
        check_name,
        {{ rounded('value') }} as value,
        threshold,
        judgement
    from measured
),

final as (
    select
        -- ids
        source_table,
        check_name,

        -- numbers
        value,
        threshold,

        -- words
        case
            when threshold is null then 'info'
            when value is null then 'unknown'
            when judgement like '%above' and value <= threshold then 'ok'
            when judgement like '%below' and value >= threshold then 'ok'
            when judgement like 'fail%' then 'fail'
            else 'warn'
        end as verdict,
        cast({{ owner | indent(8) }} as {{ dbt.type_string() }}) as owner
    from checks
)

select * from final
