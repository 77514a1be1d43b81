-- How many first days of each period its members are observed over: all that are known, as many as are compared with the period
-- before, and as many as the period after is compared over.
-- Example: January is observed over 31 days and, for the comparison with February, over its first 28.

with periods as (
    select * from {{ ref('int_periods') }}
),

spans as (
    select
        as_of,
        days
    from periods
    union distinct
    select
        as_of,
        compared_days as days
    from periods
    where compared_days is not null
    union distinct
    select
        previous_as_of as as_of,
        compared_days as days
    from periods
    where compared_days is not null
),

final as (
    select
        spans.as_of,
        spans.days,
        cast({{ dbt.dateadd('day', 'spans.days', 'spans.as_of') }} as date) as ends_on,
        spans.days = periods.days as is_all_days
    from spans
    inner join periods on spans.as_of = periods.as_of
)

select * from final
