-- One row per raw table of var retention: from which day on its rows are kept.
--
-- The limit is the first day of a month, counted from the month of as_of: otherwise each day of builds would leave out another
-- day, and a closed period would be seen to change each time.

{{ config(materialized='table') }}

with calendar as (
    select * from {{ ref('int_staging__calendar') }}
),

limits as (
    {% for table, months in setting('retention').items() -%}
    select
        '{{ table }}' as source_table,
        {{ months }} as months,
        cast({{ dbt.dateadd('month', -months, dbt.date_trunc('month', 'as_of')) }} as date) as retained_from
    from calendar
    where is_current
    {{ 'union all' if not loop.last }}
    {% else -%}
    select
        cast(null as {{ dbt.type_string() }}) as source_table,
        cast(null as integer) as months,
        as_of as retained_from
    from calendar
    where false
    {% endfor %}
)

select * from limits
