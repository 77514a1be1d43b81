-- Of the newest origin whose outcome is known, predicted by a model that is not the naive rule: its average precision against
-- that rule's. One row per target where the model has lost.

with live_scores as (
    select * from {{ ref('int_segmentation__prediction_live_scores') }}
    where segment_key = 'all' and model <> 'naive'
),

newest as (
    select
        target,
        max(origin) as origin
    from live_scores
    group by target
),

compared as (
    select
        live_scores.target,
        live_scores.origin,
        max(case when live_scores.scorer = 'in_force' then live_scores.average_precision end) as of_model,
        max(case when live_scores.scorer = 'naive_rule' then live_scores.average_precision end) as of_naive_rule
    from live_scores
    inner join newest
        on
            live_scores.target = newest.target
            and live_scores.origin = newest.origin
    group by live_scores.target, live_scores.origin
)

select
    target || ' was predicted on ' || origin || ' with an average precision of '
    || {{ text_beside_limit('of_model', 'of_model', 'of_naive_rule') | indent(4) }}
    || ', expected at least the naive rule''s '
    || {{ text_beside_limit('of_naive_rule', 'of_model', 'of_naive_rule') | indent(4) }} as finding
from compared
where of_model < of_naive_rule
