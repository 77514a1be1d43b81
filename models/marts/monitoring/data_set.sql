-- The data set that the marts are made of.

with periods as (
    select * from {{ ref('int_periods') }}
)

select
    cast({{ sql_literal(var('dataset')) }} as {{ dbt.type_string() }}) as dataset,
    cast({{ sql_literal(raw_place()) }} as {{ dbt.type_string() }}) as raw_data,
    cast({{ sql_literal(setting('timezone')) }} as {{ dbt.type_string() }}) as timezone,
    as_of
from periods
where is_current
