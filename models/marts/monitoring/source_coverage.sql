-- What was loaded of each source, and whether that is enough. Without a threshold a value is information.

with counts as (
    select * from {{ ref('int_staging__counts') }}
),

customers as (
    select * from {{ ref('int_segmentation__customers') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

after_as_of as (
    {% for table, staged in staged_tables().items() if staged.day -%}
    select
        '{{ table }}' as source_table,
        'after_as_of' as check_name,
        count(*) as value
    from {{ ref('stg_' ~ table) }} as staged
    inner join periods on staged.{{ staged.day }} >= periods.as_of
    where periods.is_current
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

counted as (
    select
        source_table,
        check_name,
        cast(value as double) as value,
        cast(null as double) as threshold,
        'info' as verdict
    from (
        select * from counts
        union all
        select * from after_as_of
    ) as all_counts
),

fates as (
    select
        source_table,
        sum(case when check_name = 'rows' then value end) as raw_rows,
        sum(case when check_name = 'quarantined' then value end)
        - coalesce(sum(case when check_name = 'other_currency' then value end), 0) as quarantined
    from counts
    group by source_table
),

reject_rates as (
    select
        source_table,
        'reject_rate' as check_name,
        {{ rounded('coalesce(quarantined / nullif(cast(raw_rows as double), 0), 0)') }} as value,
        cast({{ var('max_reject_rate') }} as double) as threshold
    from fates
    where quarantined is not null
),

demographics as (
    select
        'customers' as source_table,
        '{{ demographic_attribute() }}_known' as check_name,
        {{ rounded("avg(case when customers.demographic <> 'unknown' then 1.0 else 0.0 end)") }} as value,
        cast({{ var('min_demographics_share') }} as double) as threshold
    from customers
    inner join periods on customers.as_of = periods.as_of
    where periods.is_current and customers.is_buyer
),

checks as (
    select * from counted
    union all
    select
        source_table,
        check_name,
        value,
        threshold,
        case when value <= threshold then 'ok' else 'fail' end as verdict
    from reject_rates
    union all
    select
        source_table,
        check_name,
        value,
        threshold,
        case when value is null or value >= threshold then 'ok' else 'warn' end as verdict
    from demographics
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
        verdict
    from checks
)

select * from final
