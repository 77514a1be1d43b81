-- One row per customer, purpose and day with a statement: the consent from the day after it to the day of the next statement.
--
-- The latest statement on any of the person's records counts; in a tie, the withdrawal. A withdrawal with an unreadable date
-- counts as the latest at any time, and a grant with one as the first.

with consents as (
    select * from {{ ref('stg_consents') }}
),

customer_references as (
    select * from {{ ref('int_identity__references') }}
),

statements as (
    select
        customer_references.customer_key,
        consents.purpose,
        consents.granted,
        consents.recorded_at,
        coalesce({{ local_date('consents.recorded_at') }}, date '0001-01-01') as stated_on
    from consents
    inner join customer_references
        on
            consents.source_system = customer_references.source_system
            and consents.customer_ref = customer_references.customer_ref
),

ranked as (
    select
        *,
        count(case when recorded_at is null and not granted then 1 end)
            over (partition by customer_key, purpose) as undated_withdrawals,
        row_number() over (
            partition by customer_key, purpose, stated_on
            order by recorded_at desc nulls last, granted asc
        ) as position
    from statements
),

spells as (
    select
        customer_key,
        purpose,
        granted and undated_withdrawals = 0 as granted,
        stated_on,
        lead(stated_on) over (partition by customer_key, purpose order by stated_on) as next_stated_on
    from ranked
    where position = 1
)

select * from spells
