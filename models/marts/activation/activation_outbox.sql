-- The messages that bring a downstream system up to date: the difference between the state last delivered, according to
-- activation_receipts, and the memberships at the newest as_of. Nothing that was delivered is sent again, however often a
-- period is rebuilt.
--
-- An entry is sent for a member who may be contacted and whom the receiver lacks, an exit for a former member whom the
-- receiver still has, or for a member who came into the holdout. Customers without consent any more are sent as `suppressed`,
-- erased ones as `deleted`, both for all segments at once. Example: an entry of May 1st was delivered; May is rebuilt, and
-- the entry moves to April 1st. Its change_id is a new one, but the receiver already has the customer, so nothing is sent.
--
-- An entry that was delivered is sent again where the receiver dropped the customer since, because consent was withdrawn for
-- a while. It is dated the day on which it was dropped, so that its change_id is a new one.

{% set segments = rule_segments() | selectattr('segment', 'in', setting('activation_triggers')) -%}
{% set triggers = segments | map(attribute='segment_key') | join("', '") -%}
{% set text = dbt.type_string() -%}

with changes as {{ not_materialized() }} (
    select * from {{ ref('segment_changes') }}
),

memberships as {{ not_materialized() }} (
    select * from {{ ref('segment_memberships') }}
),

segments as (
    select * from {{ ref('int_segmentation__segments') }}
),

withdrawals as (
    select distinct
        customer_references.customer_key,
        {{ local_date('consents.recorded_at') }} as withdrawn_on
    from {{ ref('stg_consents') }} as consents
    inner join {{ ref('int_identity__references') }} as customer_references
        on
            consents.source_system = customer_references.source_system
            and consents.customer_ref = customer_references.customer_ref
    where not consents.granted
),

last_withdrawals as (
    select
        customer_key,
        max(withdrawn_on) as withdrawn_on
    from withdrawals
    group by customer_key
),

customers as (
    select
        customers.customer_key,
        customers.customer_id,
        customers.may_be_contacted,
        customers.is_excluded or not coalesce(customers.activation_consent, true) as is_suppressed,
        last_withdrawals.withdrawn_on
    from {{ ref('int_identity__customers_resolved') }} as customers
    left join last_withdrawals on customers.customer_key = last_withdrawals.customer_key
),

-- Customers the receiver may know about. Materialized, so that entries and memberships of others are dropped before joins.
addressable as {{ materialized() }} (
    select customer_id
    from customers
    where may_be_contacted
),

entries as (
    select
        changes.customer_id,
        changes.segment_key,
        changes.changed_on
    from changes
    inner join addressable on changes.customer_id = addressable.customer_id
    where changes.change = 'entered'
),

-- Members the receiver may know about, with the date of their entry.
members as (
    select
        memberships.customer_id,
        memberships.segment_key,
        max(entries.changed_on) as valid_from
    from memberships
    inner join addressable on memberships.customer_id = addressable.customer_id
    inner join entries
        on
            memberships.customer_id = entries.customer_id
            and memberships.segment_key = entries.segment_key
    group by memberships.customer_id, memberships.segment_key
),

receipts as (
    select
        change_id,
        max(handed_over_at) as handed_over_at
    from {{ ref('stg_activation_receipts') }}
    group by change_id
),

periods as (
    select * from {{ ref('int_periods') }}
),

current_period as (
    select * from periods
    where is_current
),

-- Without a withdrawal, an excluded customer is suppressed.
possible_suppressions as (
    select
        customer_id,
        cast(null as date) as withdrawn_on
    from customers
    union all
    select
        customers.customer_id,
        withdrawals.withdrawn_on
    from customers
    inner join withdrawals on customers.customer_key = withdrawals.customer_key
),

-- Since then the receiver has no data of the customer but what was delivered later, after consent was given again.
suppressions as (
    select
        possible_suppressions.customer_id,
        max(receipts.handed_over_at) as handed_over_at
    from possible_suppressions
    inner join receipts
        on
            {{ hashed_id([
                'possible_suppressions.customer_id', 'null', "'suppressed'", 'possible_suppressions.withdrawn_on'
            ]) | indent(12) }}
            = receipts.change_id
    group by possible_suppressions.customer_id
),

receipts_of_changes as (
    select
        receipts.change_id,
        changes.customer_id,
        changes.segment_key,
        changes.change,
        changes.changed_on,
        receipts.handed_over_at
    from receipts
    inner join changes on receipts.change_id = changes.change_id
),

-- Exits into the holdout have the day of the entry.
receipts_of_held_out as (
    select
        receipts.change_id,
        receipts_of_changes.customer_id,
        receipts_of_changes.segment_key,
        'exited' as change,
        receipts_of_changes.changed_on,
        receipts.handed_over_at
    from receipts_of_changes
    inner join receipts
        on
            {{ hashed_id([
                'receipts_of_changes.customer_id',
                'receipts_of_changes.segment_key',
                "'exited'",
                'receipts_of_changes.changed_on',
            ]) | indent(12) }}
            = receipts.change_id
    where receipts_of_changes.change = 'entered'
),

known_receipts as (
    select * from receipts_of_changes
    union all
    select * from receipts_of_held_out
),

unknown_receipts as (
    select receipts.*
    from receipts
    left join known_receipts on receipts.change_id = known_receipts.change_id
    where known_receipts.change_id is null
),

-- Whose other receipts may be of changes on another date: a rebuild moved the entry of a member, or the receiver dropped the
-- customer and got the entry again. Only they are looked up, day by day.
redated as (
    select
        members.customer_id,
        members.segment_key
    from members
    left join known_receipts
        on
            members.customer_id = known_receipts.customer_id
            and members.segment_key = known_receipts.segment_key
    where known_receipts.customer_id is null
    union distinct
    select
        known_receipts.customer_id,
        known_receipts.segment_key
    from known_receipts
    inner join suppressions on known_receipts.customer_id = suppressions.customer_id
    union distinct
    select
        customer_id,
        segment_key
    from receipts_of_held_out
),

days as (
    {{ dates_between('(select min(as_of) from periods)', '(select max(as_of) from periods)', 'day') | indent(4) }}
),

possible_days as (
    select day from days
    union distinct
    select {{ local_date('handed_over_at') }} as day
    from receipts
    where handed_over_at is not null
),

sides as (
    select 'entered' as change
    union all
    select 'exited' as change
),

redated_receipts as (
    select
        redated.customer_id,
        redated.segment_key,
        sides.change,
        possible_days.day as changed_on,
        unknown_receipts.handed_over_at
    from redated
    cross join possible_days
    cross join sides
    inner join unknown_receipts
        on
            {{ hashed_id([
                'redated.customer_id', 'redated.segment_key', 'sides.change', 'possible_days.day'
            ]) | indent(12) }}
            = unknown_receipts.change_id
),

changes_handed_over as (
    select
        customer_id,
        segment_key,
        change,
        changed_on,
        handed_over_at
    from known_receipts
    union all
    select * from redated_receipts
),

handed_over as (
    select
        changes_handed_over.customer_id,
        changes_handed_over.segment_key,
        changes_handed_over.change,
        changes_handed_over.changed_on,
        changes_handed_over.handed_over_at,
        row_number() over (
            partition by changes_handed_over.customer_id, changes_handed_over.segment_key
            order by
                changes_handed_over.handed_over_at desc nulls last,
                changes_handed_over.changed_on desc,
                changes_handed_over.change asc
        ) as position
    from changes_handed_over
    left join suppressions on changes_handed_over.customer_id = suppressions.customer_id
    where suppressions.handed_over_at is null or changes_handed_over.handed_over_at > suppressions.handed_over_at
),

last_handed_over as (
    select * from handed_over
    where position = 1
),

held as (
    select
        customer_id,
        segment_key,
        changed_on
    from last_handed_over
    where change = 'entered'
),

held_customers as (
    select distinct customer_id
    from held
),

-- Skips millions of other customers.
memberships_of_held as (
    select
        memberships.customer_id,
        memberships.segment_key
    from memberships
    where memberships.customer_id in (select held_customers.customer_id from held_customers)
),

last_exits as (
    select
        held.customer_id,
        held.segment_key,
        max(changes.changed_on) as changed_on
    from held
    inner join changes
        on
            held.customer_id = changes.customer_id
            and held.segment_key = changes.segment_key
            and changes.change = 'exited'
    group by held.customer_id, held.segment_key
),

messages as (
    select
        members.customer_id,
        members.segment_key,
        'entered' as change,
        case
            when known_receipts.change_id is null then members.valid_from
            else {{ local_date('coalesce(last_handed_over.handed_over_at, suppressions.handed_over_at)') }}
        end as changed_on
    from members
    left join last_handed_over
        on
            members.customer_id = last_handed_over.customer_id
            and members.segment_key = last_handed_over.segment_key
    left join suppressions on members.customer_id = suppressions.customer_id
    left join known_receipts
        on
            members.customer_id = known_receipts.customer_id
            and members.segment_key = known_receipts.segment_key
            and members.valid_from = known_receipts.changed_on
            and known_receipts.change = 'entered'
    where coalesce(last_handed_over.change, 'exited') = 'exited'
    union all
    select
        held.customer_id,
        held.segment_key,
        'exited' as change,
        case
            when memberships_of_held.customer_id is null then last_exits.changed_on
            else held.changed_on
        end as changed_on
    from held
    inner join customers on held.customer_id = customers.customer_id
    left join last_exits
        on
            held.customer_id = last_exits.customer_id
            and held.segment_key = last_exits.segment_key
    left join memberships_of_held
        on
            held.customer_id = memberships_of_held.customer_id
            and held.segment_key = memberships_of_held.segment_key
    where
        not customers.is_suppressed
        and (
            (memberships_of_held.customer_id is null and last_exits.customer_id is not null)
            or (memberships_of_held.customer_id is not null and not customers.may_be_contacted)
        )
    union all
    select
        customer_id,
        cast(null as {{ text }}) as segment_key,
        'suppressed' as change,
        withdrawn_on as changed_on
    from customers
    where is_suppressed
    union all
    select
        customer_id,
        cast(null as {{ text }}) as segment_key,
        'deleted' as change,
        cast(null as date) as changed_on
    from {{ ref('int_identity__erasures') }}
),

identified as (
    select
        *,
        {{ hashed_id(['customer_id', 'segment_key', 'change', 'changed_on']) | indent(8) }} as change_id
    from messages
),

final as (
    select
        -- ids
        identified.change_id,
        identified.customer_id,
        identified.segment_key,

        -- what to do
        identified.change as message,
        {{ json_text({
            'change_id': 'identified.change_id',
            'message': 'identified.change',
            'customer_id': 'identified.customer_id',
            'segment_key': 'identified.segment_key',
            'segment_name': 'segments.name',
            'changed_on': 'cast(identified.changed_on as ' ~ text ~ ')',
            'recommended_action': 'segments.recommended_action',
            'channel': 'segments.channel',
            'offer': 'segments.offer',
        }) | indent(8) }} as payload,

        -- dates
        identified.changed_on,
        current_period.as_of,

        -- flags
        identified.change = 'entered' and coalesce(identified.segment_key in ('{{ triggers }}'), false)  -- noqa: LT05
            as is_trigger
    from identified
    cross join current_period
    left join segments on identified.segment_key = segments.segment_key
    left join receipts on identified.change_id = receipts.change_id
    where receipts.change_id is null
)

select * from final
