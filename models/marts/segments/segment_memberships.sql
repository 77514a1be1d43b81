-- The reason is made of the customer's own values, by the same macros that decide the membership.

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

customers as (
    select * from {{ ref('int_segmentation__customers') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

cutpoints as (
    {{ rule_cuts_in_force() | indent(4) }}
),

final as (
    select
        -- ids
        features.customer_id,
        memberships.segment_key,
        memberships.scheme,

        -- words
        case
            when memberships.scheme <> 'rule' and not features.is_buyer then 'no completed order'
            {%- for segment in rule_segments() %}
            when memberships.segment_key = '{{ segment.segment_key }}' then {{ rule_reason(segment) | indent(12) }}
            {%- endfor %}
            else {{ scheme_reason('memberships.scheme', 'features') | indent(12) }}
        end as reason,

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
