-- The data set that the marts are made of, and what pages need to know to show it.

with orders as (
    select * from {{ ref('base_orders') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

-- Where var currency is null, all loaded orders have the same one or none.
currencies as (
    select max(currency) as currency
    from orders
    where fate = 'loaded'
)

select
    cast({{ sql_literal(var('dataset')) }} as {{ dbt.type_string() }}) as dataset,
    cast({{ sql_literal(raw_place()) }} as {{ dbt.type_string() }}) as raw_data,
    cast({{ sql_literal(setting('timezone')) }} as {{ dbt.type_string() }}) as timezone,
    periods.as_of,
    coalesce(
        {{ sql_literal(reporting_currency()) if reporting_currency() else 'null' }}, currencies.currency
    ) as currency,
    cast({{ setting('smallest_cell') }} as {{ dbt.type_int() }}) as smallest_cell,
    cast({{ setting('explorer_samples') }} as boolean) as explorer_samples
from periods
cross join currencies
where periods.is_current
