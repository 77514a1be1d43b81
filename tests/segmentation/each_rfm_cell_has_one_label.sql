-- Each of the 25 cells of recency and frequency score has exactly one label.
{{ config(severity='error') }}

with labels as (
    select * from {{ ref('rfm_labels') }}
),

scores as (
    {% for score in range(1, 6) -%}
    select {{ score }} as score{{ ' union all' if not loop.last }}
    {% endfor %}
),

cells as (
    select
        recency.score as recency_score,
        frequency.score as frequency_score,
        count(labels.segment) as labels
    from scores as recency
    cross join scores as frequency
    left join labels
        on
            recency.score = labels.recency_score
            and frequency.score = labels.frequency_score
    group by recency.score, frequency.score
)

select *
from cells
where labels <> 1{{ ' and false' if flags.EMPTY }}
