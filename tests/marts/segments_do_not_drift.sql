-- Var drift_limits: a segment whose members are other people by now may not mean what its name says. `all` is everyone.

{{ config(severity=gate_severity('drift')) }}

select segment_key || ' ' || warning as finding
from {{ ref('segment_warnings') }}
where gate = 'drift'
