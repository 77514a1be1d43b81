-- Var drift_limits: after a sudden change of size, a segment reaches other customers than those it was approved for.

{{ config(severity=gate_severity('size_change')) }}

select segment_key || ' ' || warning as finding
from {{ ref('segment_warnings') }}
where gate = 'size_change'
