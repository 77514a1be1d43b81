{{ config(meta={'published_schema': 'models'}) }}

with cutpoints as (
    select * from {{ ref('int_segmentation__cutpoints') }}
),

spend_breaks as (
    select * from {{ ref('int_segmentation__spend_breaks') }}
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
    union all
    select
        'spend_breaks' as scheme,
        'revenue__all' as metric,
        spend_breaks.cut_number,
        spend_breaks.cut_value,
        spend_breaks.status,
        spend_breaks.as_of as fitted_as_of
    from spend_breaks
    inner join periods on spend_breaks.as_of = periods.cutpoints_fitted_as_of
    {%- for limit in spend_limits() if limit.from is not none %}
    union all
    select
        'spend_limits' as scheme,
        'revenue__all' as metric,
        {{ loop.index }} as cut_number,
        {{ limit.from }} as cut_value,
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
