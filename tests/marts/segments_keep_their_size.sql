-- Var drift_limits: a segment that grows or shrinks so much at once reaches other people than those it was approved for.

{{ config(severity=gate_severity('size_change')) }}

select segment_key || ' ' || warning as finding
from {{ ref('segment_warnings') }}
where gate = 'size_change'
