-- A view, in the published file too: writing reasons for millions of rows costs more than all other models, and few are read.

{{ config(materialized='view', meta={'published_as': 'view'}) }}

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

customers as (
    select * from {{ ref('int_segmentation__customers_predicted') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

cutpoints as (
    {{ cuts_in_force() | indent(4) }}
),

final as (
    select
        -- ids
        features.customer_id,
        memberships.segment_key,
        memberships.scheme,

        -- words
        {{ membership_reason('memberships', 'features') | indent(8) }} as reason,

        -- dates
        memberships.as_of
    from memberships
    inner join periods on memberships.as_of = periods.as_of
    inner join customers as features
        on
            memberships.as_of = features.as_of
            and memberships.customer_key = features.customer_key
    left join cutpoints on memberships.as_of = cutpoints.as_of
    where periods.is_current
)

select * from final
