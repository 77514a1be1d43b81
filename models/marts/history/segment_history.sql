-- A spell begins with an entry and ends with the next exit. A view, in the published file too: entries and exits are stored
-- by period, and later periods end an open spell.

{{ config(materialized='view', meta={'published_as': 'view'}) }}

with changes as (
    {{ all_changes() | indent(4) }}
),

-- Entries and exits alternate, so the exit of an entry is the next one.
exits as (
    select
        customer_id,
        segment_key,
        changed_on,
        lag(changed_on) over (partition by customer_id, segment_key order by changed_on) as previously_on
    from changes
    where change = 'exited'
),

final as (
    select
        changes.customer_id,
        changes.scheme,
        changes.segment_key,
        changes.changed_on as valid_from,
        exits.changed_on as valid_to
    from changes
    left join exits
        on
            changes.customer_id = exits.customer_id
            and changes.segment_key = exits.segment_key
            and changes.changed_on < exits.changed_on
            and (exits.previously_on is null or changes.changed_on >= exits.previously_on)
    where changes.change = 'entered'
)

select * from final
