-- One row per source system and local day with a control total for orders: what the source holds, what was loaded, and
-- how much of the control total is missing.
--
-- Days are compared one by one, so that rows loaded twice on one day do not offset missing rows on another. On a day of
-- returns the control amount is below 0, and smaller returns count as missing. Orders that var currency excludes on purpose
-- count as loaded rows; their amounts are not part of a total in the reporting currency.

with control_totals as (
    select
        source_system,
        day,
        row_count,
        amount
    from {{ ref('stg_control_totals') }}
    where table_name = 'orders'
),

loaded as (
    select
        source_system,
        ordered_on as day,
        count(*) as row_count,
        sum(case when fate = 'loaded' then amount end) as amount
    from {{ ref('base_orders') }}
    where fate = 'loaded' or failed_rule = 'other_currency'
    group by source_system, ordered_on
),

compared as (
    select
        control_totals.source_system,
        control_totals.day,
        control_totals.row_count as control_rows,
        coalesce(loaded.row_count, 0) as loaded_rows,
        control_totals.amount as control_amount,
        coalesce(loaded.amount, 0) as loaded_amount
    from control_totals
    left join loaded
        on
            control_totals.source_system = loaded.source_system
            and control_totals.day = loaded.day
),

reconciliation as (
    select
        *,
        case when control_rows is not null then greatest(control_rows - loaded_rows, 0) end as missing_rows,
        case
            when control_amount >= 0 then greatest(control_amount - loaded_amount, 0)
            when control_amount < 0 then greatest(loaded_amount - control_amount, 0)
        end as missing_amount
    from compared
)

select * from reconciliation
