-- Var rebuild_periods: later data is missing from older periods until a full refresh.

with periods as (
    select * from {{ ref('int_periods') }}
    where is_outdated
)

select
    'data of before ' || cast(max(as_of) as {{ dbt.type_string() }}) || ' changed after '
    || {{ counted('count(*)', 'period') }} || ' with it had been built, beyond var rebuild_periods; '
    || 'dbt build --full-refresh takes it in' as finding
from periods
having count(*) > 0
