-- One row per period, segment and scores at the period before, and segment now: how many customers made that move. Unlike
-- segment_transitions it knows the scores.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='period',
    on_schema_change='append_new_columns'
) }}

with periods as (
    select *
    from {{ ref('int_periods') }}
    where is_built and previous_as_of is not null
),

history as {{ not_materialized() }} (
    select
        as_of,
        {{ compact_key('customer_id') }} as customer_key,
        'rfm:' || rfm_segment as segment_key,
        coalesce(recency_score, 0) as recency_score,
        coalesce(frequency_score, 0) as frequency_score
    from {{ ref('customer_history') }}
),

moves as (
    select
        periods.as_of as period,
        before.segment_key as from_segment,
        before.recency_score,
        before.frequency_score,
        now.segment_key as to_segment,
        count(*) as customers
    from periods
    inner join history as before on periods.previous_as_of = before.as_of
    inner join history as now
        on
            periods.as_of = now.as_of
            and before.customer_key = now.customer_key
    group by periods.as_of, before.segment_key, before.recency_score, before.frequency_score, now.segment_key
)

select * from moves
