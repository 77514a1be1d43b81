-- One row per experiment, metric, span of days and customer that counts: the value of the metric.
--
-- A metric that experiment_outcomes has for the experiment is measured, and the greatest value of a customer's records
-- counts. Any other is derived from the customer's orders and events by its definition in var metrics. Both are of the days
-- from the assignment to the end of the experiment or as_of, and a measured value without a day counts too. Derived ones are
-- also of as many days before the assignment, and the primary metric of each whole week since, up to twelve. Values from a
-- billion on are left out, since sums of their squares would exceed a decimal.

with units as (
    select *
    from {{ ref('int_marts__experiment_units') }}
    where exclusion_reason is null
),

outcomes as (
    select * from {{ ref('stg_experiment_outcomes') }}
),

customer_references as (
    {{ eligible_references() | indent(4) }}
),

declared as (
    {{ declared_outcomes() | indent(4) }}
),

measured as (
    select
        declared.experiment_id,
        declared.metric,
        'outcome' as span,
        units.customer_key,
        max(outcomes.value) as value
    from outcomes
    inner join declared
        on
            outcomes.experiment_id = declared.experiment_id
            and outcomes.metric = declared.metric
    inner join customer_references
        on
            outcomes.source_system = customer_references.source_system
            and outcomes.customer_ref = customer_references.customer_ref
    inner join units
        on
            outcomes.experiment_id = units.experiment_id
            and customer_references.customer_key = units.customer_key
    where
        outcomes.measured_on is null
        or outcomes.measured_on >= units.assigned_on
        and outcomes.measured_on < units.observed_until
    group by declared.experiment_id, declared.metric, units.customer_key
),

{% set derived = derived_outcomes() -%}
{% if derived -%}
measured_metrics as (
    select distinct
        experiment_id,
        metric
    from outcomes
),

derived_metrics as (
    select declared.*
    from declared
    left join measured_metrics
        on
            declared.experiment_id = measured_metrics.experiment_id
            and declared.metric = measured_metrics.metric
    where measured_metrics.metric is null
),

weeks as (
    {% for week in range(1, 13) -%}
    select {{ week }} as week
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- as_of is the exclusive end, as the macros of metrics call it.
spans as (
    select
        experiment_id,
        customer_key,
        'outcome' as span,
        assigned_on as from_day,
        observed_until as as_of
    from units
    union all
    select
        experiment_id,
        customer_key,
        'before' as span,
        {{ days_before('assigned_on', 'pre_period_days') }} as from_day,
        assigned_on as as_of
    from units
    union all
    select
        units.experiment_id,
        units.customer_key,
        'week ' || weeks.week as span,
        {{ days_after('units.assigned_on', '7 * weeks.week - 7') }} as from_day,
        {{ days_after('units.assigned_on', '7 * weeks.week') }} as as_of
    from units
    inner join weeks on {{ days_after('units.assigned_on', '7 * weeks.week') }} <= units.observed_until
),

{% for metric, outcome in derived.items() -%}
metric_{{ loop.index }} as (
    select
        periods.experiment_id,
        derived_metrics.metric,
        periods.span,
        periods.customer_key,
        {{ outcome.value }} as value
    from spans as periods
    inner join derived_metrics
        on
            periods.experiment_id = derived_metrics.experiment_id
            and derived_metrics.metric = {{ sql_literal(metric) }}
            and (derived_metrics.is_primary or periods.span in ('outcome', 'before'))
    left join {{ ref(metric_model(outcome.table)) }} as facts
        on
            periods.customer_key = facts.customer_key
            and facts.day >= periods.from_day
            and {{ counts_at_as_of(outcome.table) | indent(12) }}
    group by periods.experiment_id, derived_metrics.metric, periods.span, periods.customer_key
),

{% endfor -%}
{% endif -%}
outcomes_of_all as (
    select
        experiment_id,
        metric,
        span,
        customer_key,
        cast(value as double) as value,
        true as is_measured
    from measured
    {%- for metric in derived %}
    union all
    select
        experiment_id,
        metric,
        span,
        customer_key,
        cast(value as double) as value,
        false as is_measured
    from metric_{{ loop.index }}
    {%- endfor %}
)

select *
from outcomes_of_all
where abs(value) < 1000000000
