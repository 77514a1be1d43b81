-- One row per as_of, eligible customer and segment the customer is in, over all schemes.
--
-- All rules are evaluated in one pass over the wide table; each becomes one condition of a list. stay_until adds hysteresis: a
-- customer enters by the rule and leaves when stay_until fails, so members are those whose last entry is later than the last
-- failure. This is replayed over the periods, from the first on.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='as_of',
    on_schema_change='sync_all_columns'
) }}

{% set sticky_rules = rule_segments() | rejectattr('stay_until', 'none') | list -%}
{% set plain_rules = rule_segments() | selectattr('stay_until', 'none') | list -%}

with features as (
    select * from {{ ref('int_segmentation__customers_predicted') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

cutpoints as (
    {{ cuts_in_force() | indent(4) }}
),

held as (
    select
        features.as_of,
        features.customer_key,
        {{ matching_segments(plain_rules) | indent(8) }} as segment_key
    from features
    left join cutpoints on features.as_of = cutpoints.as_of
),

{% if sticky_rules -%}
trials as (
    select * from {{ ref('int_segmentation__rule_trials') }}
),

first_entries as (
    select
        customer_key,
        segment_key,
        min(as_of) as entered_on
    from trials
    where is_entered
    group by customer_key, segment_key
),

-- Customers are known from their first entry on, so a period without a trial means that both rules failed.
replayed as (
    select
        periods.as_of,
        periods.is_built,
        first_entries.customer_key,
        first_entries.segment_key,
        max(case when trials.is_entered then periods.as_of end) over up_to_as_of as last_entered,
        max(case when trials.as_of is null then periods.as_of end) over up_to_as_of as last_failed
    from first_entries
    inner join periods on first_entries.entered_on <= periods.as_of
    left join trials
        on
            periods.as_of = trials.as_of
            and first_entries.customer_key = trials.customer_key
            and first_entries.segment_key = trials.segment_key
    window up_to_as_of as (
        partition by first_entries.customer_key, first_entries.segment_key
        order by periods.as_of
    )
),

{% endif -%}
rule_memberships as (
    select * from held
    {% if sticky_rules -%}
    union all
    select
        as_of,
        customer_key,
        segment_key
    from replayed
    where is_built and (last_failed is null or last_entered > last_failed)
    {%- endif %}
),

memberships as (
    {% for scheme in exclusive_schemes() -%}
    select
        as_of,
        customer_key,
        '{{ scheme }}' as scheme,
        '{{ scheme }}:' || {{ scheme }} as segment_key
    from features
    where {{ scheme }} is not null
    union all
    {% endfor -%}
    select
        as_of,
        customer_key,
        'rule' as scheme,
        segment_key
    from rule_memberships
)

select * from memberships
