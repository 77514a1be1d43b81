-- Messages about entries and exits refer to segment_changes, so that a receipt can be traced back. Those that repeat an entry,
-- or are about a member who came into the holdout, are of no change, but their customer entered the segment once.

{{ config(severity='error') }}

with messages as (
    select * from {{ ref('activation_outbox') }}
    where message in ('entered', 'exited')
),

changes as (
    select * from {{ ref('segment_changes') }}
),

entries as (
    select distinct
        customer_id,
        segment_key
    from changes
    where change = 'entered'
)

select
    messages.change_id,
    messages.customer_id
from messages
left join entries
    on
        messages.customer_id = entries.customer_id
        and messages.segment_key = entries.segment_key
left join changes
    on
        messages.customer_id = changes.customer_id
        and messages.segment_key = changes.segment_key
        and messages.message = changes.change
        and messages.changed_on = changes.changed_on
where entries.customer_id is null or messages.change_id <> changes.change_id
