-- One row per target, origin with a known outcome, segment (all, and those of rfm) and scorer (the model in force, the naive rule):
-- how the prediction compares with what happened, among the sampled customers.
--
-- Average precision and area under the curve count customers of one score together.

{% set found = 'cast(positives as double) / nullif(all_positives, 0)' -%}
{% set pairs_in_order = 'cast(customers - positives as double) * (positives_so_far - positives / 2)' -%}
{% set pairs = 'nullif(all_positives * (all_customers - all_positives), 0)' -%}

with scores as (
    select * from {{ ref('int_segmentation__prediction_scores') }}
),

outcomes as (
    select * from {{ ref('int_segmentation__prediction_outcomes') }}
),

memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

parameters as (
    select * from {{ ref('int_segmentation__prediction_parameters') }}
),

judged as (
    select
        scores.target,
        outcomes.origin,
        scores.fitted_as_of,
        scores.customer_key,
        parameters.model,
        scores.probability,
        scores.score,
        scores.naive_score,
        case when outcomes.came_about then 1 else 0 end as came_about
    from scores
    inner join outcomes
        on
            scores.as_of = outcomes.origin
            and scores.target = outcomes.target
            and scores.customer_key = outcomes.customer_key
    inner join parameters
        on
            scores.target = parameters.target
            and scores.fitted_as_of = parameters.fitted_as_of
),

by_segment as (
    select
        *,
        'all' as segment_key
    from judged
    union all
    select
        judged.*,
        memberships.segment_key
    from judged
    inner join memberships
        on
            judged.origin = memberships.as_of
            and judged.customer_key = memberships.customer_key
            and memberships.scheme = 'rfm'
),

by_scorer as (
    {% for scorer, score in {'in_force': 'score', 'naive_rule': 'naive_score'}.items() -%}
    select
        target,
        origin,
        fitted_as_of,
        model,
        segment_key,
        probability,
        came_about,
        '{{ scorer }}' as scorer,
        {{ score }} as score
    from by_segment
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

by_score as (
    select
        target,
        origin,
        fitted_as_of,
        model,
        segment_key,
        scorer,
        score,
        count(*) as customers,
        sum(came_about) as positives,
        {{ exact_sum('power(probability - came_about, 2)') }} as squared_errors,
        {{ exact_sum('probability') }} as probabilities
    from by_scorer
    group by target, origin, fitted_as_of, model, segment_key, scorer, score
),

cumulative as (
    select
        *,
        sum(customers) over from_the_highest as customers_so_far,
        sum(positives) over from_the_highest as positives_so_far,
        sum(positives) over (partition by target, origin, segment_key, scorer) as all_positives,
        sum(customers) over (partition by target, origin, segment_key, scorer) as all_customers
    from by_score
    window from_the_highest as (
        partition by target, origin, segment_key, scorer
        order by score desc
    )
),

live_scores as (
    select
        target,
        origin,
        fitted_as_of,
        model,
        segment_key,
        scorer,
        cast(sum(customers) as bigint) as customers,
        cast(sum(positives) as bigint) as positives,
        {{ rounded(exact_sum(found ~ ' * positives_so_far / customers_so_far')) }} as average_precision,
        {{ rounded(exact_sum(pairs_in_order ~ ' / ' ~ pairs)) }} as roc_auc,
        {{ rounded('sum(squared_errors) / sum(customers)') }} as brier,
        {{ rounded('sum(probabilities) / sum(customers)') }} as mean_probability,
        {{ rounded('cast(sum(positives) as double) / sum(customers)') }} as observed_share
    from cumulative
    group by target, origin, fitted_as_of, model, segment_key, scorer
)

select * from live_scores
