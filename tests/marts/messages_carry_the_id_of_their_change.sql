-- Messages about entries and exits refer to segment_changes, so that a receipt can be traced back.

{{ config(severity='error') }}

with messages as (
    select * from {{ ref('activation_outbox') }}
    where message in ('entered', 'exited')
),

changes as (
    select * from {{ ref('segment_changes') }}
)

select
    messages.change_id,
    messages.customer_id
from messages
left join changes
    on
        messages.change_id = changes.change_id
        and messages.message = changes.change
where changes.change_id is null
