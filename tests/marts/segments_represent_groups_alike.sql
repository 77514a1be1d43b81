-- Var min_fairness_ratio: a group that is seldom in a segment misses what its members are offered. Key prediction: is a top tenth.

{{ config(severity=gate_severity('fairness')) }}

select segment_key || ' ' || warning as finding
from {{ ref('segment_warnings') }}
where gate = 'fairness'
