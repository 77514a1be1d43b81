-- One row per as_of, eligible customer and rule segment with stay_until, where the entry rule or stay_until holds:
-- the input of the replay over the periods. Depends only on the customers of that period.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='as_of',
    on_schema_change='sync_all_columns'
) }}

{% set sticky_rules = rule_segments() | rejectattr('stay_until', 'none') | list -%}

with features as (
    select * from {{ ref('int_segmentation__customers_predicted') }}
),

cutpoints as (
    {{ cuts_in_force() | indent(4) }}
),

held as (
    {% for part in ['rule', 'stay_until'] -%}
    select
        features.as_of,
        features.customer_key,
        {{ loop.first | lower }} as is_entry,
        {{ matching_segments(sticky_rules, part=part) | indent(8) }} as segment_key
    from features
    left join cutpoints on features.as_of = cutpoints.as_of
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

trials as (
    select
        as_of,
        customer_key,
        segment_key,
        max(case when is_entry then 1 else 0 end) = 1 as is_entered
    from held
    group by as_of, customer_key, segment_key
)

select * from trials
