-- One row per customer, segment and change between consecutive periods: entered for members who were not in the segment at
-- the previous period, exited for the reverse. Memberships at the first period are not changes.
--
-- The cause compares with the segment under the previous parameters: if it would not have changed, the new parameters
-- caused the change (refit), otherwise the customer did (behaviour).

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='changed_on',
    on_schema_change='append_new_columns'
) }}

with memberships as {{ not_materialized() }} (
    select * from {{ ref('int_segmentation__memberships') }}
),

refits as (
    select * from {{ ref('int_segmentation__refit_effects') }}
),

-- Joining the periods of a million customers to the previous ones fills the disk. So the periods of a membership are the
-- bits of numbers, fifty periods each.
periods as (
    select
        as_of,
        is_built and previous_as_of is not null as has_changes,
        coalesce(lead(is_built) over (order by as_of), false) as is_before_built,
        row_number() over (order by as_of) - 1 as period_number
    from {{ ref('int_periods') }}
),

period_bits as (
    select
        as_of,
        has_changes,
        has_changes or is_before_built as is_compared,
        period_number % 50 = 49 as is_last_of_fifty,
        cast(floor(period_number / 50) as integer) as fifty,
        cast(power(2, period_number % 50 + 1) as bigint) as own_bit,
        cast(power(2, period_number % 50) as bigint) as bit_before
    from periods
),

segments as (
    {{ numbered_segments('memberships') | indent(4) }}
),

numbered_memberships as {{ not_materialized() }} (
    select
        memberships.as_of,
        memberships.customer_key,
        segments.number
    from memberships
    inner join segments on memberships.segment_key = segments.segment_key
),

-- The last period of fifty precedes the first of the next fifty.
compared as (
    select
        numbered_memberships.customer_key,
        numbered_memberships.number,
        period_bits.fifty,
        period_bits.own_bit
    from numbered_memberships
    inner join period_bits on numbered_memberships.as_of = period_bits.as_of and period_bits.is_compared
    union all
    select
        numbered_memberships.customer_key,
        numbered_memberships.number,
        period_bits.fifty + 1 as fifty,
        cast(1 as bigint) as own_bit
    from numbered_memberships
    inner join period_bits
        on
            numbered_memberships.as_of = period_bits.as_of
            and period_bits.is_compared
            and period_bits.is_last_of_fifty
),

periods_in as (
    select
        customer_key,
        number,
        fifty,
        bit_or(own_bit) as bits_in
    from compared
    group by customer_key, number, fifty
),

changes as (
    select
        period_bits.as_of as changed_on,
        periods_in.customer_key,
        segments.scheme,
        segments.segment_key,
        case when (periods_in.bits_in & period_bits.own_bit) > 0 then 'entered' else 'exited' end as change
    from periods_in
    inner join segments on periods_in.number = segments.number
    inner join period_bits on periods_in.fifty = period_bits.fifty and period_bits.has_changes
    where ((periods_in.bits_in & period_bits.own_bit) > 0) <> ((periods_in.bits_in & period_bits.bit_before) > 0)
),

explained as (
    select
        changes.changed_on,
        changes.customer_key,
        changes.scheme,
        changes.segment_key,
        changes.change,
        case when refits.customer_key is not null then 'refit' else 'behaviour' end as cause
    from changes
    left join refits
        on
            changes.customer_key = refits.customer_key
            and changes.scheme = refits.scheme
            and changes.changed_on = refits.as_of
)

select * from explained
