-- One row per period and baseline it is compared with: the previous period, and the earlier periods that the models and cut
-- points in force were fitted as of.

with periods as (
    select * from {{ ref('int_periods') }}
),

baselines as (
    {% for baseline, date, parameters in [
        ('previous', 'previous_as_of', none),
        ('fitted', 'models_fitted_as_of', 'models'),
        ('fitted', 'cutpoints_fitted_as_of', 'cutpoints'),
    ] -%}
    select
        as_of as period,
        '{{ baseline }}' as baseline,
        {{ date }} as baseline_as_of,
        {{ "'" ~ parameters ~ "'" if parameters else 'cast(null as ' ~ dbt.type_string() ~ ')' }} as parameters
    from periods
    where {{ date }} < as_of
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from baselines
