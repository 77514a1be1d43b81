{{ config(meta={'published_schema': 'models'}) }}

with cutpoints as (
    select * from {{ ref('int_segmentation__cutpoints') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_current
),

in_force as (
    select
        cutpoints.scheme,
        cutpoints.metric,
        cutpoints.cut_number,
        cutpoints.cut_value,
        cutpoints.status,
        cutpoints.fitted_as_of
    from cutpoints
    inner join periods on cutpoints.fitted_as_of = periods.cutpoints_fitted_as_of
    {%- for limit in fixed_limits() %}
    union all
    select
        '{{ limit.scheme }}' as scheme,
        '{{ limit.metric }}' as metric,
        {{ limit.cut_number }} as cut_number,
        {{ limit.cut_value }} as cut_value,
        'fixed' as status,
        cast(null as date) as fitted_as_of
    {%- endfor %}
),

final as (
    select
        -- ids
        scheme,
        metric,
        cast(cut_number as integer) as cut_number,

        -- numbers
        cast(cut_value as double) as cut_value,

        -- words
        status,
        scheme || coalesce('-' || cast(fitted_as_of as {{ dbt.type_string() }}), '-fixed') as version,

        -- dates
        fitted_as_of
    from in_force
)

select * from final
