{% set priorities = [] -%}
{% for entry in setting('action_priority') -%}
{% do priorities.append([entry, loop.index]) -%}
{% endfor -%}

with customers as (
    select * from {{ ref('int_segmentation__customers_scored') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

segments as (
    select * from {{ ref('int_segmentation__segments') }}
),

-- Which action goes first. A customer is in many segments, but should hear one thing at a time.
priorities as (
    {{ inline_rows({'entry': 'string', 'place': 'integer'}, priorities) | indent(4) }}
),

actions as (
    select
        segments.segment_key,
        segments.recommended_action,
        row_number() over (order by min(priorities.place), segments.segment_key) as position
    from segments
    inner join priorities on segments.scheme = priorities.entry or segments.segment_key = priorities.entry
    where segments.recommended_action is not null
    group by segments.segment_key, segments.recommended_action
),

next_actions as (
    select
        memberships.customer_key,
        min(actions.position) as position
    from memberships
    inner join periods on memberships.as_of = periods.as_of
    inner join actions on memberships.segment_key = actions.segment_key
    where periods.is_current
    group by memberships.customer_key
),

final as (
    select
        -- ids
        customers.customer_id,
        customers.as_of,

        -- scores
        customers.recency_score,
        customers.frequency_score,
        customers.monetary_score,

        -- exclusive schemes
        customers.rfm as rfm_segment,
        {{ promised_scheme('value_tier') }} as value_tier,
        customers.spend_breaks as spend_band,
        {{ promised_scheme('spend_limits') }} as spend_limit,
        {{ promised_scheme('purchase_rhythm') }} as purchase_rhythm,
        {{ promised_scheme('value_outlook') }} as value_outlook,
        {{ promised_scheme('lifecycle') }} as lifecycle,
        {{ promised_scheme('demographic') }} as demographic,
        customers.cluster as cluster_key,
        segments.name as persona,
        customers.cluster_distance,
        customers.cluster_confidence,
        customers.journeys as journey_key,
        journeys.name as journey_persona,
        customers.journeys_distance as journey_distance,
        customers.journeys_confidence as journey_confidence,

        -- over all schemes
        actions.recommended_action as next_action,
        actions.segment_key as next_action_segment,

        -- flags
        customers.is_buyer
    from customers
    inner join periods on customers.as_of = periods.as_of
    left join segments on 'cluster:' || customers.cluster = segments.segment_key
    left join segments as journeys on 'journeys:' || customers.journeys = journeys.segment_key
    left join next_actions on customers.customer_key = next_actions.customer_key
    left join actions on next_actions.position = actions.position
    where periods.is_current
)

select * from final
