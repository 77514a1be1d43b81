-- For customers of each segment and scores; to a millionth.

{{ config(severity='error') }}

{% for rates in ['by_segment', 'by_scores'] -%}
select
    period,
    from_segment,
    recency_score,
    frequency_score
from {{ ref('int_marts__next_segment_rates') }}
group by period, from_segment, recency_score, frequency_score
having abs(sum({{ rates }}) - 1) > 0.000001
{{ 'union all' if not loop.last }}
{% endfor %}
