-- One row per refit date, scheme, metric and cut: every threshold fitted on customers.
--
-- Always an observed value (percentile_disc), so that every limit belongs to a real customer, except where an RFM metric has
-- fixed limits. Fitted only at refit dates; int_periods has the fit in force at each date.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='fitted_as_of',
    on_schema_change='sync_all_columns'
) }}

{% set percentiles = percentile_cuts() -%}

with features as (
    select * from {{ ref('int_features__customers_measured') }}
),

spend_breaks as (
    select * from {{ ref('int_segmentation__spend_breaks') }}
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
        {%- for metric, rfm in rfm_metrics().items() if 'limits' not in rfm %}
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

percentile_fit as (
    select
        {%- for cut in percentiles | unique(attribute='cut_column') %}
        {{ percentile_value(cut) }} as {{ cut.cut_column }},
        {%- endfor %}
        as_of
    from fitted_on
    group by as_of
),

cutpoints as (
    {% for metric, rfm in rfm_metrics().items() -%}
    {% for limit in rfm.get('limits', []) -%}
    select
        as_of as fitted_as_of,
        'rfm' as scheme,
        '{{ metric }}' as metric,
        {{ loop.index }} as cut_number,
        cast({{ limit }} as double) as cut_value,
        'fixed' as status
    from rfm_fit
    union all
    {% endfor -%}
    {% for cut in range(1, 6) if 'limits' not in rfm -%}
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
    {% for cut in percentiles -%}
    select
        as_of as fitted_as_of,
        '{{ cut.scheme }}' as scheme,
        '{{ cut.metric }}' as metric,
        {{ cut.cut_number }} as cut_number,
        cast({{ cut.cut_column }} as double) as cut_value,
        'ok' as status
    from percentile_fit
    where {{ cut.cut_column }} is not null
    union all
    {% endfor -%}
    select
        spend_breaks.as_of as fitted_as_of,
        'spend_breaks' as scheme,
        'revenue__all' as metric,
        spend_breaks.cut_number,
        spend_breaks.cut_value,
        spend_breaks.status
    from spend_breaks
    inner join periods on spend_breaks.as_of = periods.as_of
    where periods.is_built
)

select * from cutpoints
