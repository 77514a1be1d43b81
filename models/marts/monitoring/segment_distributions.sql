-- Counts of members by value: all that drift tests need, in a table that does not grow with the customers. Each period
-- depends only on itself. Probabilities are counted among all customers asked about, in millionths.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='period',
    on_schema_change='append_new_columns'
) }}

{% set metrics = ['recency_days', 'frequency', 'monetary', 'recency_score', 'frequency_score', 'monetary_score'] -%}

with periods as (
    select as_of
    from {{ ref('int_periods') }}
    where is_built
),

history as {{ not_materialized() }} (
    select
        kept.as_of,
        {{ compact_key('kept.customer_id') }} as customer_key,
        kept.recency_days,
        {{ round_to_three_significant_digits('kept.frequency') | indent(8) }} as frequency,
        {{ round_to_three_significant_digits('kept.monetary') | indent(8) }} as monetary,
        kept.recency_score,
        kept.frequency_score,
        kept.monetary_score
    from {{ ref('customer_history') }} as kept
    inner join periods on kept.as_of = periods.as_of
),

built_memberships as {{ not_materialized() }} (
    select kept.*
    from {{ ref('int_segmentation__memberships') }} as kept
    inner join periods on kept.as_of = periods.as_of
),

segments as (
    {{ numbered_segments('built_memberships') | indent(4) }}
),

-- Number 0 is all customers.
memberships as (
    select
        built_memberships.as_of,
        built_memberships.customer_key,
        segments.number
    from built_memberships
    inner join segments on built_memberships.segment_key = segments.segment_key
    union all
    select
        as_of,
        customer_key,
        0 as number
    from history
),

-- One pass for all metrics. In the grouping set of a metric the others are null.
counted as (
    select
        memberships.as_of,
        memberships.number,
        case
            {%- for metric in metrics %}
            when grouping(history.{{ metric }}) = 0 then '{{ metric }}'
            {%- endfor %}
        end as metric,
        coalesce(history.{{ metrics | join(', history.') }}) as value,
        count(*) as customers
    from memberships
    inner join history
        on
            memberships.as_of = history.as_of
            and memberships.customer_key = history.customer_key
    group by grouping sets ( -- noqa: PRS,RF02
        {%- for metric in metrics %}
        (memberships.as_of, memberships.number, history.{{ metric }})
        {{- ',' if not loop.last }}
        {%- endfor %}
    )
),

predicted as (
    select
        scores.as_of,
        0 as number,
        'probability_of_' || scores.target as metric,
        {{ round_to_three_significant_digits('1000000 * scores.probability') | indent(8) }} as value,
        count(*) as customers
    from {{ ref('int_segmentation__prediction_scores') }} as scores
    inner join periods on scores.as_of = periods.as_of
    group by
        scores.as_of, scores.target,
        {{ round_to_three_significant_digits('1000000 * scores.probability') | indent(8) }}
),

all_counts as (
    select * from counted
    union all
    select * from predicted
),

final as (
    select
        -- ids
        all_counts.as_of as period,
        coalesce(segments.scheme, 'all') as scheme,
        coalesce(segments.segment_key, 'all') as segment_key,
        all_counts.metric,

        -- numbers
        cast(all_counts.value as bigint) as value,
        all_counts.customers
    from all_counts
    left join segments on all_counts.number = segments.number
    where all_counts.value is not null
)

select * from final
