-- So many periods are seldom meant: one order with a wrong date may begin them. A first date that var history_start sets is
-- meant, and so is the number of periods after it.
{{ config(severity='error') }}

with calendar as (
    select * from {{ ref('int_staging__calendar') }}
),

history as (
    select
        count(*) as periods,
        min(as_of) as first_as_of
    from calendar
)

select
    'the history has ' || {{ counted('periods', 'period') }}
    || ' (var period: {{ setting('period') }}), the first as of ' || cast(first_as_of as {{ dbt.type_string() }})
    || ': set var history_start to the first date you need (then any number of periods is built), or period to a'
    || ' longer one, or earliest_plausible_date to a later one if the first orders have wrong dates' as finding
from history
where periods > 240 and {{ 'true' if setting('history_start') is none else 'false' }}
