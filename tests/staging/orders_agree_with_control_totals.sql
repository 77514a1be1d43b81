-- Var min_reconciled_share: orders missing from the load are missing from every figure.
{{ config(severity='error') }}

{% set least = setting('min_reconciled_share') -%}

with reconciliation as (
    select * from {{ ref('int_staging__reconciliation') }}
),

systems as (
    select
        source_system,
        sum(control_rows) as control_rows,
        sum(missing_rows) as missing_rows,
        sum(abs(control_amount)) as control_amount,
        sum(missing_amount) as missing_amount,
        count(case when missing_rows > 0 or missing_amount > 0 then 1 end) as days,
        min(case when missing_rows > 0 or missing_amount > 0 then day end) as first_day
    from reconciliation
    group by source_system
),

shares as (
    select
        source_system,
        days,
        first_day,
        1 - missing_rows / nullif(cast(control_rows as double), 0) as row_share,
        1 - cast(missing_amount as double) / nullif(cast(control_amount as double), 0) as amount_share
    from systems
)

select
    'of the orders in the control totals of ' || source_system || ', '
    || coalesce(
        {{ percent_beside_limit('row_share', 'row_share', least) | indent(8) }} || ' of the rows',
        'an unknown number'
    )
    || ' and '
    || coalesce(
        {{ percent_beside_limit('amount_share', 'amount_share', least) | indent(8) }} || ' of the amount',
        'an unknown amount'
    )
    || ' were loaded, expected at least ' || {{ percent_words(least) }}
    || ' (var min_reconciled_share): ' || {{ counted('days', 'day') }} || ' fall short, the first is '
    || cast(first_day as {{ dbt.type_string() }}) as finding
from shares
where
    {{ rounded('row_share') }} < {{ least }}
    or {{ rounded('amount_share') }} < {{ least }}
