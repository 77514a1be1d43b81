-- Who is in a segment at one period and not at the one before entered it; the other way round, exited. At the first period
-- everyone enters.
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
    where is_built
),

customers as (
    select * from {{ ref('int_identity__customers') }}
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

final as (
    select
        -- ids
        {{ hashed_id([
            'customers.customer_id', 'changes.segment_key', 'changes.change', 'changes.changed_on'
        ]) | indent(8) }} as change_id,
        customers.customer_id,
        changes.scheme,
        changes.segment_key,

        -- what happened
        changes.change,
        changes.changed_on,
        case when refits.customer_id is not null then 'refit' else 'behaviour' end as cause
    from changes
    inner join customers on changes.customer_key = customers.customer_key
    left join refits
        on
            customers.customer_id = refits.customer_id
            and changes.scheme = refits.scheme
            and changes.changed_on = refits.as_of
)

select * from final
