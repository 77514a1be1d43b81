-- Equal values have equal scores, and scores are monotonic in the value. With var score_slack the previous score counts as
-- well.
{{ config(severity='error') }}

with customers as (
    select * from {{ ref('int_segmentation__customers_scored') }}
    where is_buyer
),

{% for metric, rfm in rfm_metrics().items() -%}
{{ metric }}_values as (
    select
        as_of,
        '{{ metric }}' as metric,
        {{ '-' if rfm.worst_to_best == 'desc' }}cast({{ rfm.column }} as double) as goodness,
        min({{ metric }}_score) as lowest_score,
        max({{ metric }}_score) as highest_score
    from customers
    group by as_of, {{ rfm.column }}
),

{% endfor -%}

scored_values as (
    {% for metric in rfm_metrics() -%}
    select * from {{ metric }}_values{{ ' union all' if not loop.last }}
    {% endfor %}
),

neighbours as (
    select
        *,
        lag(highest_score) over (partition by as_of, metric order by goodness) as score_below
    from scored_values
)

select *
from neighbours
where
    (
        lowest_score is null
        or lowest_score <> highest_score
        or lowest_score < score_below
    )
    and {{ 'false' if var('score_slack') else 'true' }}
