-- From each segment of an exclusive scheme at one period to each at the next. Customers who were not known before, or are not
-- any more, come from or go to `outside`, so that both sides add up to all customers.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='period',
    on_schema_change='append_new_columns'
) }}

{% set no_text = 'cast(null as ' ~ dbt.type_string() ~ ')' -%}

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
    where scheme <> 'rule'
),

dated_periods as (
    select
        *,
        lag(previous_as_of) over (order by as_of) as earlier_as_of
    from {{ ref('int_periods') }}
),

periods as (
    select *
    from dated_periods
    where is_built
),

-- Each membership three times at most: as where the customer is, was, and had been before that.
moves as (
    {% for date in ['as_of', 'previous_as_of', 'earlier_as_of'] -%}
    select
        periods.as_of,
        {%- for segment, its_date in {
            'to_segment': 'as_of', 'from_segment': 'previous_as_of', 'earlier_segment': 'earlier_as_of'
        }.items() %}
        {{ 'memberships.segment_key' if its_date == date else no_text }} as {{ segment }},
        {%- endfor %}
        memberships.scheme,
        memberships.customer_key
    from memberships
    inner join periods on memberships.as_of = periods.{{ date }}
    where periods.previous_as_of is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

customers as (
    select
        as_of,
        scheme,
        customer_key,
        coalesce(max(from_segment), 'outside') as from_segment,
        coalesce(max(to_segment), 'outside') as to_segment,
        max(earlier_segment) as earlier_segment
    from moves
    group by as_of, scheme, customer_key
),

counted as (
    select
        as_of as period,
        scheme,
        from_segment,
        to_segment,
        count(*) as customers,
        count(case when from_segment <> to_segment and earlier_segment = to_segment then 1 end) as returned
    from customers
    -- Who was known two periods ago and not since makes no move.
    where from_segment <> 'outside' or to_segment <> 'outside'
    group by as_of, scheme, from_segment, to_segment
),

totals as (
    select
        period,
        scheme,
        from_segment,
        sum(customers) as customers
    from counted
    group by period, scheme, from_segment
),

final as (
    select
        counted.period,
        counted.scheme,
        counted.from_segment,
        counted.to_segment,
        counted.customers,
        counted.returned,
        {{ rounded('counted.customers / cast(totals.customers as double)') }} as rate
    from counted
    inner join totals
        on
            counted.period = totals.period
            and counted.scheme = totals.scheme
            and counted.from_segment = totals.from_segment
)

select * from final
