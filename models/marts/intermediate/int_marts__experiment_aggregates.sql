-- One row per experiment, segment, metric, span of days and variant: all that the tests of a difference need. Segments are
-- those of the last period up to the assignment, before it could change them; all customers come as the segment all.
--
-- Variances are sums of products of deviations from the mean, in decimals: sums of squares cancel out where the mean is
-- large, and sums of doubles depend on the order of the rows.

{% set deviation, deviation_before = '(paired.value - means.mean)', '(paired.value_before - means.mean_before)' -%}
{% set square, square_before = deviation ~ ' * ' ~ deviation, deviation_before ~ ' * ' ~ deviation_before -%}
{% set product, unbiased = deviation ~ ' * ' ~ deviation_before, 'count(*) / nullif(count(*) - 1, 0)' -%}

with units as (
    select *
    from {{ ref('int_marts__experiment_units') }}
    where exclusion_reason is null
),

outcomes as (
    select * from {{ ref('int_marts__experiment_outcomes') }}
),

memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

current_period as (
    select as_of
    from periods
    where is_current
),

experiments as (
    {{ declared_experiments() | indent(4) }}
),

variants as (
    {{ declared_variants() | indent(4) }}
),

metrics as (
    {{ declared_outcomes() | indent(4) }}
),

placed as (
    select
        experiment_id,
        customer_key,
        variant,
        'all' as scheme,
        'all' as segment_key
    from units
    union all
    select
        units.experiment_id,
        units.customer_key,
        units.variant,
        memberships.scheme,
        memberships.segment_key
    from units
    inner join periods
        on
            units.assigned_on >= periods.as_of
            and (units.assigned_on < periods.next_as_of or periods.next_as_of is null)
    inner join memberships
        on
            periods.as_of = memberships.as_of
            and units.customer_key = memberships.customer_key
),

sizes as (
    select
        experiment_id,
        segment_key,
        variant,
        count(*) as units
    from placed
    group by experiment_id, segment_key, variant
),

segments as (
    select distinct
        experiment_id,
        scheme,
        segment_key
    from placed
    union
    select
        experiment_id,
        'all' as scheme,
        'all' as segment_key
    from experiments
),

paired as (
    select
        placed.experiment_id,
        placed.segment_key,
        placed.variant,
        outcomes.metric,
        outcomes.span,
        outcomes.is_measured,
        outcomes.value,
        before.value as value_before
    from placed
    inner join outcomes
        on
            placed.experiment_id = outcomes.experiment_id
            and placed.customer_key = outcomes.customer_key
            and (placed.segment_key = 'all' or outcomes.span = 'outcome')
    left join outcomes as before
        on
            outcomes.experiment_id = before.experiment_id
            and outcomes.customer_key = before.customer_key
            and outcomes.metric = before.metric
            and outcomes.span = 'outcome'
            and before.span = 'before'
),

means as (
    select
        experiment_id,
        segment_key,
        metric,
        span,
        variant,
        {{ exact_mean('value') }} as mean,
        {{ exact_mean('value_before') }} as mean_before
    from paired
    group by experiment_id, segment_key, metric, span, variant
),

aggregates as (
    select
        paired.experiment_id,
        paired.segment_key,
        paired.metric,
        paired.span,
        paired.variant,
        means.mean,
        means.mean_before,
        max(cast(paired.is_measured as integer)) = 1 as is_measured,
        count(*) as customers,
        count(paired.value_before) as customers_before,
        case when min(case when paired.value in (0, 1) then 1 else 0 end) = 1 then sum(paired.value) end as events,
        {{ exact_mean(square) }} * {{ unbiased }} as variance,
        {{ exact_mean(square_before) }} * {{ unbiased }} as variance_before,
        {{ exact_mean(product) }} * {{ unbiased }} as covariance
    from paired
    inner join means
        on
            paired.experiment_id = means.experiment_id
            and paired.segment_key = means.segment_key
            and paired.metric = means.metric
            and paired.span = means.span
            and paired.variant = means.variant
    group by
        paired.experiment_id,
        paired.segment_key,
        paired.metric,
        paired.span,
        paired.variant,
        means.mean,
        means.mean_before
),

-- A variant without customers, or a metric without values, has a row too, so that there is a verdict on it.
spans as (
    select distinct
        experiment_id,
        segment_key,
        metric,
        span
    from aggregates
    union
    select
        segments.experiment_id,
        segments.segment_key,
        metrics.metric,
        'outcome' as span
    from segments
    inner join metrics on segments.experiment_id = metrics.experiment_id
),

final as (
    select
        -- ids
        current_period.as_of,
        spans.experiment_id,
        segments.scheme,
        spans.segment_key,
        spans.metric,
        spans.span,
        variants.variant,

        -- numbers
        coalesce(sizes.units, 0) as units,
        coalesce(aggregates.customers, 0) as customers,
        aggregates.events,
        aggregates.mean,
        aggregates.variance,
        coalesce(aggregates.customers_before, 0) as customers_before,
        aggregates.mean_before,
        aggregates.variance_before,
        aggregates.covariance,

        -- flags
        aggregates.is_measured,

        -- words
        experiments.plan
    from spans
    cross join current_period
    inner join segments
        on
            spans.experiment_id = segments.experiment_id
            and spans.segment_key = segments.segment_key
    inner join experiments on spans.experiment_id = experiments.experiment_id
    inner join variants on spans.experiment_id = variants.experiment_id
    left join sizes
        on
            spans.experiment_id = sizes.experiment_id
            and spans.segment_key = sizes.segment_key
            and variants.variant = sizes.variant
    left join aggregates
        on
            spans.experiment_id = aggregates.experiment_id
            and spans.segment_key = aggregates.segment_key
            and spans.metric = aggregates.metric
            and spans.span = aggregates.span
            and variants.variant = aggregates.variant
)

select
    *,
    {{ sample_hash([
        'experiment_id', 'segment_key', 'metric', 'span', 'variant', 'units', 'customers', 'events', 'mean', 'variance',
        'customers_before', 'mean_before', 'variance_before', 'covariance', 'is_measured', 'plan'
    ], 'as_of') | indent(4) }} as sample_hash
from final
