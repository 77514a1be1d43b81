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
    live_scores.target,
    live_scores.origin,
    live_scores.mean_probability,
    live_scores.observed_share
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
