-- One row per target, refit date, origin and sampled customer: features and outcome. The test is the newest origin whose outcome
-- was known at the refit date; training origins are those whose outcome was known at the origin of the test.
--
-- sample_hash decides whether a stored fit is reused.

{% set drawn_by = 'as_of, target, is_test' -%}
{% set features = cluster_features('prediction_features') | map(attribute='name') | list -%}

with sample as (
    select * from {{ ref('int_segmentation__prediction_sample') }}
),

outcomes as (
    select * from {{ ref('int_segmentation__prediction_outcomes') }}
),

refit_dates as (
    select distinct models_fitted_as_of as as_of
    from {{ ref('int_periods') }}
    where models_fitted_as_of is not null
),

known_origins as (
    select distinct
        target,
        origin,
        ended_on
    from outcomes
),

tests as (
    select
        refit_dates.as_of,
        known_origins.target,
        max(known_origins.origin) as origin
    from refit_dates
    inner join known_origins on refit_dates.as_of >= known_origins.ended_on
    group by refit_dates.as_of, known_origins.target
),

used_origins as (
    select
        tests.as_of,
        tests.target,
        known_origins.origin,
        tests.origin = known_origins.origin as is_test
    from tests
    inner join known_origins
        on
            tests.target = known_origins.target
            and (tests.origin = known_origins.origin or tests.origin >= known_origins.ended_on)
),

labelled as (
    select
        used_origins.as_of,
        used_origins.is_test,
        case when outcomes.came_about then 1 else 0 end as outcome,
        {{ hashed_id(['sample.customer_key', 'sample.as_of']) | indent(8) }} as draw_key,
        {%- for feature in features %}
        sample.{{ feature }},
        {%- endfor %}
        sample.target,
        sample.customer_key,
        sample.as_of as origin
    from used_origins
    inner join outcomes
        on
            used_origins.target = outcomes.target
            and used_origins.origin = outcomes.origin
    inner join sample
        on
            outcomes.target = sample.target
            and outcomes.origin = sample.as_of
            and outcomes.customer_key = sample.customer_key
),

drawn as (
    {{ lowest_keys('labelled', setting('prediction_sample_rows'), key='draw_key', part=drawn_by) | indent(4) }}
),

fit_sample as (
    select
        target,
        as_of,
        origin,
        is_test,
        customer_key,
        outcome,
        {%- for feature in features %}
        {{ feature }},
        {%- endfor %}
        {{ sample_hash(['origin', 'customer_key', 'is_test', 'outcome'] + features, 'as_of, target') }}
            as sample_hash
    from drawn
)

select * from fit_sample
