-- Ids under which an erased customer may have been sent downstream: hashes and nothing else. A customer's id comes from the
-- first record, and was another one before records were linked; so each record and reference of the person adds an id. Of people
-- whose raw rows are gone, the tombstones have them for 30 days.

{{ config(schema='restricted') }}

with erased_references as (
    select * from {{ ref('int_identity__erased_references') }}
),

remembered_records as (
    select * from {{ ref('int_identity__records') }}
),

tombstones as (
    select * from {{ ref('stg_tombstones') }}
),

calendar as (
    select * from {{ ref('int_staging__calendar') }}
),

possible_ids as (
    select {{ hashed_id(['source_system', 'reference']) | indent(8) }} as customer_id
    from erased_references
    where source_table <> 'emails'
    union distinct
    select tombstones.customer_id
    from tombstones
    inner join calendar on calendar.is_current
    where
        tombstones.customer_id is not null
        and {{ dbt.datediff('tombstones.erased_on', 'calendar.as_of', 'day') }} < 30  -- noqa: LT05
),

erasures as (
    select possible_ids.customer_id
    from possible_ids
    left join remembered_records on possible_ids.customer_id = remembered_records.customer_id
    where remembered_records.customer_id is null
)

select * from erasures
