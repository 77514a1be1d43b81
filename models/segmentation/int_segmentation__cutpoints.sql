-- One row per refit date, scheme, metric and cut: every threshold that is computed from the customers.
--
-- Always an observed value (percentile_disc), so that a customer at the limit can be pointed at. Fitted at the refit
-- dates alone; which fit is in force at a date is said by int_periods.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='fitted_as_of',
    on_schema_change='sync_all_columns'
) }}

{% set percentile_rules = rule_percentile_cuts() -%}
{% set tiers = value_tiers() -%}

with features as (
    select * from {{ ref('int_features__customers_measured') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

refit_dates as (
    select distinct cutpoints_fitted_as_of as as_of
    from periods
),

fitted_on as (
    select features.*
    from features
    inner join refit_dates on features.as_of = refit_dates.as_of
),

rfm_fit as (
    select
        as_of
        {%- for metric, rfm in rfm_metrics().items() %}
        {%- for cut in range(1, 5) %},
        {{ quantile(rfm.column, '0.' ~ (cut * 2), rfm.worst_to_best) }} as {{ metric }}_{{ cut }}
        {%- endfor %},
        {{ 'min' if rfm.worst_to_best == 'desc' else 'max' }}({{ rfm.column }}) as {{ metric }}_5,
        count(distinct {{ rfm.column }}) as {{ metric }}_values
        {%- endfor %}
    from fitted_on
    where is_buyer
    group by as_of
),

value_tier_fit as (
    select
        as_of,
        {{ quantile('revenue__365d', top_share(tiers.high)) }} as high_from,
        {{ quantile('revenue__365d', top_share(tiers.high + tiers.medium)) }} as medium_from
    from fitted_on
    where revenue__365d > 0
    group by as_of
),

rule_fit as (
    select
        {%- for cut in percentile_rules %}
        {%- set value_above_0 = 'case when ' ~ cut.column ~ ' > 0 then ' ~ cut.column ~ ' end' %}
        {{ quantile(value_above_0, cut.quantile) }} as {{ cut.cut_column }},
        {%- endfor %}
        as_of
    from fitted_on
    group by as_of
),

cutpoints as (
    {% for metric, rfm in rfm_metrics().items() -%}
    {% for cut in range(1, 6) -%}
    select
        as_of as fitted_as_of,
        'rfm' as scheme,
        '{{ metric }}' as metric,
        {{ cut }} as cut_number,
        cast({{ metric }}_{{ cut }} as double) as cut_value,
        case
            when {{ metric }}_values = 1 then 'one_value'
            when {{ metric }}_values < 5 then 'few_values'
            else 'ok'
        end as status
    from rfm_fit
    union all
    {% endfor -%}
    {% endfor -%}
    {% for cut in ['medium_from', 'high_from'] -%}
    select
        as_of as fitted_as_of,
        'value_tier' as scheme,
        'revenue__365d' as metric,
        {{ loop.index }} as cut_number,
        cast({{ cut }} as double) as cut_value,
        'ok' as status
    from value_tier_fit
    {{ 'union all' if not loop.last or percentile_rules }}
    {% endfor -%}
    {% for cut in percentile_rules -%}
    select
        as_of as fitted_as_of,
        'rule' as scheme,
        '{{ cut.cut_column }}' as metric,
        1 as cut_number,
        cast({{ cut.cut_column }} as double) as cut_value,
        'ok' as status
    from rule_fit
    where {{ cut.cut_column }} is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from cutpoints
