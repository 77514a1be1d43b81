-- Var min_segment_share: an exclusive segment with fewer buyers is too small to act on.

{{ config(severity=gate_severity('segment_share')) }}

select segment_key || ' ' || warning as finding
from {{ ref('segment_warnings') }}
where gate = 'segment_share'
