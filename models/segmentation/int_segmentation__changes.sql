-- One row per customer, segment and change between two periods: who is in a segment at a period and not at the one before
-- entered it; the other way round, exited. What is true at the first period is no change between two.
--
-- The cause is told from what the customer would be with the parameters of the period before: if nothing would have
-- changed, the new parameters did it (refit), else the customer did (behaviour).

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='changed_on',
    on_schema_change='append_new_columns'
) }}

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_built and previous_as_of is not null
),

refits as (
    select * from {{ ref('int_segmentation__refit_effects') }}
),

entered as (
    select
        memberships.as_of as changed_on,
        memberships.customer_key,
        memberships.scheme,
        memberships.segment_key,
        'entered' as change
    from memberships
    inner join periods on memberships.as_of = periods.as_of
    left join memberships as earlier
        on
            periods.previous_as_of = earlier.as_of
            and memberships.customer_key = earlier.customer_key
            and memberships.segment_key = earlier.segment_key
    where earlier.as_of is null
),

exited as (
    select
        periods.as_of as changed_on,
        memberships.customer_key,
        memberships.scheme,
        memberships.segment_key,
        'exited' as change
    from memberships
    inner join periods on memberships.as_of = periods.previous_as_of
    left join memberships as later
        on
            periods.as_of = later.as_of
            and memberships.customer_key = later.customer_key
            and memberships.segment_key = later.segment_key
    where later.as_of is null
),

changes as (
    select * from entered
    union all
    select * from exited
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
