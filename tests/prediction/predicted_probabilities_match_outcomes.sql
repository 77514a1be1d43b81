-- Of the newest origin whose outcome is known: the mean probability against the share for whom the outcome came about. One row per
-- target where they differ by more than a factor of two, with at least 50 outcomes.

with live_scores as (
    select *
    from {{ ref('int_segmentation__prediction_live_scores') }}
    where segment_key = 'all' and scorer = 'in_force'
),

newest as (
    select
        target,
        max(origin) as origin
    from live_scores
    group by target
)

select
    live_scores.target || ' was predicted on ' || live_scores.origin || ' with a mean probability of '
    || {{ percent_words('live_scores.mean_probability') | indent(4) }} || ', and happened for '
    || {{ percent_words('live_scores.observed_share') | indent(4) }}
    || ' of the customers, expected less than a factor of 2 between them' as finding
from live_scores
inner join newest
    on
        live_scores.target = newest.target
        and live_scores.origin = newest.origin
where
    live_scores.positives >= 50
    and (
        live_scores.mean_probability > 2 * live_scores.observed_share
        or live_scores.observed_share > 2 * live_scores.mean_probability
    )
