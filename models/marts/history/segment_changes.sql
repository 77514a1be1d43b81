-- Entered where a spell begins, exited where it ends.
--
-- The cause is told from what the customer would be with the parameters of the period before: if nothing would have
-- changed, the new parameters did it (refit), else the customer did (behaviour).

with spells as (
    select * from {{ ref('segment_history') }}
),

refits as (
    select * from {{ ref('int_segmentation__refit_effects') }}
),

changes as (
    select
        customer_id,
        scheme,
        segment_key,
        'entered' as change,
        valid_from as changed_on
    from spells
    union all
    select
        customer_id,
        scheme,
        segment_key,
        'exited' as change,
        valid_to as changed_on
    from spells
    where valid_to is not null
),

final as (
    select
        -- ids
        {{ hashed_id([
            'changes.customer_id', 'changes.segment_key', 'changes.change', 'changes.changed_on'
        ]) | indent(8) }} as change_id,
        changes.customer_id,
        changes.scheme,
        changes.segment_key,

        -- what happened
        changes.change,
        changes.changed_on,
        case when refits.customer_id is not null then 'refit' else 'behaviour' end as cause
    from changes
    left join refits
        on
            changes.customer_id = refits.customer_id
            and changes.scheme = refits.scheme
            and changes.changed_on = refits.as_of
)

select * from final
