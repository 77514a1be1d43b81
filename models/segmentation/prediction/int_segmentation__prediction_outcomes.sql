-- One row per target, origin and sampled customer whose outcome window has ended: whether the outcome came about.
--
-- The windows of the outcome end where the outcome window does, on any day. Cut points are those in force at the last first day
-- of a period up to then. An outcome is written in the build of the period by which it is known.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='known_as_of',
    on_schema_change='sync_all_columns'
) }}

{% set all_predictions, horizons = predictions(), [] -%}
{% for name, prediction in all_predictions.items() -%}
{% do horizons.append([name, prediction.horizon_days]) -%}
{% endfor -%}
{% set windows = prediction_outcome_windows() -%}
{% set tables = windows | map(attribute='table') | unique | list -%}

with sample as (
    select * from {{ ref('int_segmentation__prediction_sample') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

horizons as (
    {{ inline_rows({'target': 'string', 'horizon_days': 'integer'}, horizons) | indent(4) }}
),

ends as (
    select
        periods.as_of as origin,
        horizons.target,
        cast({{ dbt.dateadd('day', 'horizons.horizon_days', 'periods.as_of') }} as date) as ended_on
    from periods
    cross join horizons
),

known as (
    select
        ends.origin,
        ends.target,
        ends.ended_on,
        min(periods.as_of) as known_as_of
    from ends
    inner join periods on ends.ended_on <= periods.as_of
    group by ends.origin, ends.target, ends.ended_on
),

to_write as (
    select known.*
    from known
    inner join periods on known.known_as_of = periods.as_of
    where periods.is_built
),

outcome_dates as (
    select
        to_write.ended_on as as_of,
        max(periods.cutpoints_fitted_as_of) as cutpoints_fitted_as_of,
        max(periods.models_fitted_as_of) as models_fitted_as_of
    from to_write
    inner join periods on to_write.ended_on >= periods.as_of
    group by to_write.ended_on
),

cutpoints as (
    {{ cuts_in_force('outcome_dates') | indent(4) }}
),

{% for table in tables -%}
{{ table }}_metrics as (
    {{ metric_table_windows(table, windows, 'outcome_dates') | indent(4) }}
),

{% endfor -%}
asked as (
    select
        sample.target,
        sample.as_of as origin,
        sample.customer_key,
        to_write.ended_on as as_of,
        to_write.known_as_of
    from sample
    inner join to_write
        on
            sample.as_of = to_write.origin
            and sample.target = to_write.target
),

measured as (
    select
        asked.target,
        asked.origin,
        asked.customer_key,
        asked.as_of,
        asked.known_as_of
        {%- for window in windows %},
        {{ metric_absent(window, window.table ~ '_metrics.' ~ window.column) }} as {{ window.column }}
        {%- endfor %}
    from asked
    {%- for table in tables %}
    left join {{ table }}_metrics
        on
            asked.as_of = {{ table }}_metrics.as_of
            and asked.customer_key = {{ table }}_metrics.customer_key
    {%- endfor %}
),

bought as (
    select
        *,
        case when orders__all = 0 then 'prospect' end as non_buyer
    from measured
),

features as (
    select
        {%- for scheme in all_predictions.values() | map(attribute='schemes') | sum(start=[]) | unique %}
        {{ scheme_segment(schemes()[scheme], 'bought', 'cutpoints') | indent(8) }} as {{ scheme }},
        {%- endfor %}
        bought.*
    from bought
    left join cutpoints on bought.as_of = cutpoints.as_of
),

outcomes as (
    select
        features.target,
        features.origin,
        features.customer_key,
        features.as_of as ended_on,
        features.known_as_of,
        case features.target
            {%- for name, prediction in all_predictions.items() %}
            when '{{ name }}' then {{ rule_condition(prediction.outcome) }}
            {%- else %}
            when '' then false
            {%- endfor %}
        end as came_about
    from features
    left join cutpoints on features.as_of = cutpoints.as_of
)

select * from outcomes
